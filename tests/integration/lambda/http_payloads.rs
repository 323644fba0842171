//! An HTTP request in each payload format in which AWS passes it to a function.

use serde_json::{Value, json};

pub struct HttpRequest<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub token: Option<&'a str>,
    pub body: Option<&'a str>,
}

pub type PayloadFormat = fn(&HttpRequest<'_>) -> Value;

pub const PAYLOAD_FORMATS: [(&str, PayloadFormat); 6] = [
    ("function URL", function_url),
    ("HTTP API", http_api),
    ("HTTP API, stage `prod`", http_api_with_stage),
    ("REST API, stage `prod`", rest_api),
    ("REST API, base path `v1`", rest_api_with_base_path),
    ("ALB", alb),
];

fn headers(request: &HttpRequest<'_>) -> Value {
    let mut headers =
        json!({ "host": "edge.example", "content-type": "application/json", "x-forwarded-proto": "https" });
    if let Some(token) = request.token {
        headers["authorization"] = format!("Bearer {token}").into();
    }
    headers
}

fn function_url(request: &HttpRequest<'_>) -> Value {
    version_2(request, "$default", request.path)
}

fn http_api(request: &HttpRequest<'_>) -> Value {
    let mut event = version_2(request, "$default", request.path);
    event["routeKey"] = "ANY /{proxy+}".into();
    event["pathParameters"] = json!({ "proxy": request.path.trim_start_matches('/') });
    event
}

fn http_api_with_stage(request: &HttpRequest<'_>) -> Value {
    version_2(request, "prod", &format!("/prod{}", request.path))
}

fn version_2(request: &HttpRequest<'_>, stage: &str, path: &str) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": headers(request),
        "requestContext": {
            "accountId": "anonymous", "apiId": "abc", "domainName": "abc.example", "domainPrefix": "abc",
            "http": { "method": request.method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test" },
            "requestId": "id", "routeKey": "$default", "stage": stage, "time": "01/Nov/2026:12:00:00 +0000",
            "timeEpoch": 1_793_620_800_000_u64,
        },
        "body": request.body, "isBase64Encoded": false,
    })
}

fn rest_api(request: &HttpRequest<'_>) -> Value {
    json!({
        "resource": "/{proxy+}", "path": request.path, "httpMethod": request.method,
        "headers": headers(request), "multiValueHeaders": multi_value(&headers(request)),
        "queryStringParameters": null, "multiValueQueryStringParameters": null,
        "pathParameters": { "proxy": request.path.trim_start_matches('/') }, "stageVariables": null,
        "requestContext": {
            "accountId": "111122223333", "resourceId": "x", "stage": "prod", "requestId": "id", "identity": { "sourceIp": "192.0.2.1" },
            "resourcePath": "/{proxy+}", "httpMethod": request.method, "apiId": "abc", "path": format!("/prod{}", request.path),
            "protocol": "HTTP/1.1", "requestTimeEpoch": 1_793_620_800_000_u64,
        },
        "body": request.body, "isBase64Encoded": false,
    })
}

/// A custom domain passes its base path in `path`, and only there.
fn rest_api_with_base_path(request: &HttpRequest<'_>) -> Value {
    let mut event = rest_api(request);
    event["path"] = format!("/v1{}", request.path).into();
    event
}

fn alb(request: &HttpRequest<'_>) -> Value {
    let group = "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/edge/abc";
    json!({
        "requestContext": { "elb": { "targetGroupArn": group } },
        "httpMethod": request.method, "path": request.path, "queryStringParameters": {},
        "headers": headers(request), "body": request.body.unwrap_or_default(), "isBase64Encoded": false,
    })
}

/// Headers as `multiValueHeaders`.
fn multi_value(headers: &Value) -> Value {
    let headers = headers.as_object().into_iter().flatten();
    headers.map(|(name, value)| (name.clone(), json!([value]))).collect::<serde_json::Map<_, _>>().into()
}
