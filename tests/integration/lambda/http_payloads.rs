//! One HTTP request in each of the http_payloads in which AWS hands it to a function.

use serde_json::{Value, json};

/// What a browser asks.
pub struct Asked<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub token: Option<&'a str>,
    pub body: Option<&'a str>,
}

pub type Form = fn(&Asked<'_>) -> Value;

pub const FORMS: [(&str, Form); 5] = [
    ("function URL", function_url),
    ("HTTP API", http_api),
    ("HTTP API, stage `prod`", http_api_with_stage),
    ("REST API, stage `prod`", rest_api),
    ("ALB", alb),
];

fn headers(asked: &Asked<'_>) -> Value {
    let mut headers =
        json!({ "host": "edge.example", "content-type": "application/json", "x-forwarded-proto": "https" });
    if let Some(token) = asked.token {
        headers["authorization"] = format!("Bearer {token}").into();
    }
    headers
}

fn function_url(asked: &Asked<'_>) -> Value {
    version_2(asked, "$default", asked.path)
}

fn http_api(asked: &Asked<'_>) -> Value {
    let mut event = version_2(asked, "$default", asked.path);
    event["routeKey"] = "ANY /{proxy+}".into();
    event["pathParameters"] = json!({ "proxy": asked.path.trim_start_matches('/') });
    event
}

fn http_api_with_stage(asked: &Asked<'_>) -> Value {
    version_2(asked, "prod", &format!("/prod{}", asked.path))
}

fn version_2(asked: &Asked<'_>, stage: &str, path: &str) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": headers(asked),
        "requestContext": {
            "accountId": "anonymous", "apiId": "abc", "domainName": "abc.example", "domainPrefix": "abc",
            "http": { "method": asked.method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test" },
            "requestId": "id", "routeKey": "$default", "stage": stage, "time": "01/Nov/2026:12:00:00 +0000",
            "timeEpoch": 1_793_620_800_000_u64,
        },
        "body": asked.body, "isBase64Encoded": false,
    })
}

fn rest_api(asked: &Asked<'_>) -> Value {
    json!({
        "resource": "/{proxy+}", "path": asked.path, "httpMethod": asked.method,
        "headers": headers(asked), "multiValueHeaders": listed(&headers(asked)),
        "queryStringParameters": null, "multiValueQueryStringParameters": null,
        "pathParameters": { "proxy": asked.path.trim_start_matches('/') }, "stageVariables": null,
        "requestContext": {
            "accountId": "111122223333", "resourceId": "x", "stage": "prod", "requestId": "id", "identity": { "sourceIp": "192.0.2.1" },
            "resourcePath": "/{proxy+}", "httpMethod": asked.method, "apiId": "abc", "path": format!("/prod{}", asked.path),
            "protocol": "HTTP/1.1", "requestTimeEpoch": 1_793_620_800_000_u64,
        },
        "body": asked.body, "isBase64Encoded": false,
    })
}

fn alb(asked: &Asked<'_>) -> Value {
    let group = "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/edge/abc";
    json!({
        "requestContext": { "elb": { "targetGroupArn": group } },
        "httpMethod": asked.method, "path": asked.path, "queryStringParameters": {},
        "headers": headers(asked), "body": asked.body.unwrap_or_default(), "isBase64Encoded": false,
    })
}

fn listed(headers: &Value) -> Value {
    let headers = headers.as_object().into_iter().flatten();
    headers.map(|(name, value)| (name.clone(), json!([value]))).collect::<serde_json::Map<_, _>>().into()
}
