//! `bench_edge UNPACKED ZIP PYTHON RESULT`: measures the packaged edge in the Lambda runtime, and in turns the same
//! presigning in Python (awslambdaric, boto3) and Node (AWS SDK v3). Prints a table and writes the numbers as JSON.
// Like a test, the benchmark may panic.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use axum::Router;
use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tests::lambda_runtime::{Function, Lambda, Outcome};
use tests::token;

/// Cold starts of each function.
const COLD_STARTS: usize = 11;
/// Warm calls of each function: `CALLS` in a row, `TURNS` times. The first `WARM_UP` of a row refill the processor's
/// caches and aren't counted.
const CALLS: u64 = 200;
const TURNS: usize = 10;
const WARM_UP: u64 = 20;
const SECRET: &str = "a secret of at least thirty-two bytes";
const SECRET_ARN: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:bench-AbCdEf";
const ROOT_CERTIFICATES: [&str; 2] =
    ["/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt"];
const PART: u64 = 8 << 20;
const CHECKSUM: &str = "rosUhgp5mIg=";
/// Parts signed in one call.
const PARTS_PER_CALL: u64 = 100;
const OPENED: &str = "<InitiateMultipartUploadResult><UploadId>2~AbCdEfGhIjKlMnOpQrStUvWxYz</UploadId></InitiateMultipartUploadResult>";

/// The results of one function.
struct Results {
    name: &'static str,
    cold_start_ms: f64,
    p50_ms: f64,
    p99_ms: f64,
    memory_mb: f64,
    /// For 10,000 parts in calls of 100.
    all_parts_ms: f64,
}

#[tokio::main]
async fn main() {
    let args: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [unpacked, zip, python, result] = args.as_slice() else {
        panic!("usage: bench_edge UNPACKED ZIP PYTHON RESULT")
    };
    let data = std::env::temp_dir().join(format!("bench_edge-{}", std::process::id()));
    std::fs::create_dir_all(&data).unwrap();
    let functions = functions(unpacked, python, &data, &aws().await);

    let mut starts = vec![Vec::new(); functions.len()];
    for _ in 0..COLD_STARTS {
        for (index, (_, function)) in functions.iter().enumerate() {
            let invoked = Lambda::new(function.clone()).invoke(event(&sign(1..=1), "x")).await;
            starts[index].push(ms(invoked.report.init.expect("a cold start")));
        }
    }
    let lambdas: Vec<Lambda> = functions.iter().map(|(_, function)| Lambda::new(function.clone())).collect();
    let upload = open(&lambdas[0]).await;
    let mut calls = vec![Vec::new(); functions.len()];
    let mut memory = vec![0; functions.len()];
    for _ in 0..TURNS {
        for (index, lambda) in lambdas.iter().enumerate() {
            for number in 1..=WARM_UP + CALLS {
                let invoked = lambda.invoke(event(&sign(number..=number), &upload)).await;
                assert_signed(&invoked.outcome);
                memory[index] = invoked.report.memory_kb;
                if number > WARM_UP {
                    calls[index].push(ms(invoked.report.duration));
                }
            }
        }
    }
    // All parts of the largest upload, in calls of the largest size.
    let mut all_parts_ms = vec![0.0; functions.len()];
    for (index, lambda) in lambdas.iter().enumerate() {
        for first in (1..=wire::MAX_PARTS).step_by(PARTS_PER_CALL as usize) {
            let invoked = lambda.invoke(event(&sign(first..=first + PARTS_PER_CALL - 1), &upload)).await;
            assert_signed(&invoked.outcome);
            all_parts_ms[index] += ms(invoked.report.duration);
            memory[index] = memory[index].max(invoked.report.memory_kb);
        }
    }
    let all: Vec<Results> = (0..functions.len())
        .map(|index| Results {
            name: functions[index].0,
            cold_start_ms: percentile(&mut starts[index], 0.5),
            p50_ms: percentile(&mut calls[index], 0.5),
            p99_ms: percentile(&mut calls[index], 0.99),
            memory_mb: memory[index] as f64 / 1e3,
            all_parts_ms: all_parts_ms[index],
        })
        .collect();
    let zip_mb = std::fs::metadata(zip).expect("the zip is there").len() as f64 / 1e6;
    report(&all, zip_mb, result);
    std::fs::remove_dir_all(&data).unwrap();
}

fn functions(unpacked: &Path, python: &Path, data: &Path, aws: &str) -> Vec<(&'static str, Function)> {
    let env = [
        ("UPLOAD_BUCKET", "uploads"),
        ("DESTINATION_BUCKET", "media"),
        ("MEDIA_CONVERT_ROLE", "arn:aws:iam::000000000000:role/local"),
        ("CDN_BASE_URL", "https://cdn.example"),
        ("UPLOAD_TOKEN_SECRET", SECRET),
        ("AUTH_JWT_SECRET", SECRET),
        ("CATALOG", "dynamodb:videos"),
        ("AWS_ENDPOINT_URL", aws),
    ];
    // As on Amazon Linux, root certificates are read from one file; without it, a start reads a folder of hundreds.
    let root_certificates =
        ROOT_CERTIFICATES.iter().find(|file| Path::new(file).exists()).map(|file| ("SSL_CERT_FILE", *file));
    let env = env.into_iter().chain(root_certificates);
    let env: Vec<(String, String)> = env.map(|(name, value)| (name.into(), value.into())).collect();
    // As in a stack: the start includes a call of Secrets Manager, which here answers at once.
    let mut with_arns = env.clone();
    for (_, value) in with_arns.iter_mut().filter(|(_, value)| value == SECRET) {
        *value = SECRET_ARN.into();
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/edge");
    let function = |task: &Path, env: &[(String, String)], command: &[&str]| {
        let mut function = Function::new(task, env.to_vec());
        if !command.is_empty() {
            function.command = command.iter().map(|word| (*word).to_owned()).collect();
        }
        function.concurrency = 1;
        function.log = Some(data.join("log"));
        function
    };
    let python = python.to_string_lossy();
    let (python, node) =
        ([&*python, "-m", "awslambdaric", "python_presigner.handler"], ["node", "node_presigner.mjs"]);
    vec![
        ("edge", function(unpacked, &env, &[])),
        ("edge, secrets by ARN", function(unpacked, &with_arns, &[])),
        ("Python, boto3", function(&folder, &env, &python)),
        ("Node, AWS SDK v3", function(&folder, &env, &node)),
    ]
}

/// A server that answers `CreateMultipartUpload`, `BatchGetSecretValue` and all DynamoDB writes; presigning calls no service.
async fn aws() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(respond)).await });
    url
}

async fn respond(headers: HeaderMap) -> String {
    match headers.get("x-amz-target").map(HeaderValue::as_bytes) {
        None => OPENED.into(),
        Some(b"secretsmanager.BatchGetSecretValue") => {
            json!({ "SecretValues": [{ "ARN": SECRET_ARN, "SecretString": SECRET }] }).to_string()
        }
        Some(_) => "{}".into(),
    }
}

/// An event of a function URL. Only the edge checks the bearer token and the upload's token.
fn event(body: &Value, upload: &str) -> Bytes {
    let path =
        if upload.is_empty() { "/api/uploads".to_owned() } else { format!("/api/uploads/{upload}/parts") };
    let bearer = format!("Bearer {}", token::signed(SECRET, "anna"));
    let event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": { "host": "edge.example", "content-type": "application/json", "authorization": bearer },
        "requestContext": {
            "accountId": "anonymous", "apiId": "edge", "domainName": "edge.example", "domainPrefix": "edge",
            "http": { "method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "bench" },
            "requestId": "r", "routeKey": "$default", "stage": "$default",
            "time": "25/Nov/2026:00:00:00 +0000", "timeEpoch": 1_795_000_000_000_u64,
        },
        "body": body.to_string(), "isBase64Encoded": false,
    });
    event.to_string().into()
}

/// The request to sign these parts, each with a checksum.
fn sign(numbers: std::ops::RangeInclusive<u64>) -> Value {
    let part = |number| json!({ "partNumber": number, "checksum": CHECKSUM, "size": PART });
    json!({ "parts": numbers.map(part).collect::<Vec<_>>() })
}

/// The JSON body of a response.
fn body_of(outcome: &Outcome) -> Value {
    let Outcome::Response(bytes) = outcome else { panic!("a function failed: {outcome:?}") };
    let response: Value = serde_json::from_slice(bytes).unwrap();
    serde_json::from_str(response["body"].as_str().unwrap()).unwrap()
}

fn assert_signed(outcome: &Outcome) {
    let body = body_of(outcome);
    let url = body["parts"][0]["url"].as_str().unwrap_or_else(|| panic!("nothing was signed: {body}"));
    assert!(url.contains("X-Amz-Signature="));
    assert!(url.contains("X-Amz-SignedHeaders=content-length%3Bhost%3Bx-amz-checksum-crc64nvme"), "{url}");
}

async fn open(edge: &Lambda) -> String {
    let body = json!({ "fileName": "a.mp4", "size": 10_000 * PART, "contentType": "video/mp4" });
    let invoked = edge.invoke(event(&body, "")).await;
    body_of(&invoked.outcome)["upload"].as_str().expect("an upload is opened").to_owned()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The value below which this share of all values lies.
fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share).round() as usize]
}

fn report(all: &[Results], zip_mb: f64, result: &Path) {
    println!("| | start, ms | the edge's share | warm p50, ms | p99, ms | 10,000 parts, ms | memory, MB |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for one in all {
        let share = all[0].cold_start_ms / one.cold_start_ms;
        println!(
            "| {} | {:.1} | 1/{:.1} | {:.2} | {:.2} | {:.0} | {:.0} |",
            one.name,
            one.cold_start_ms,
            1.0 / share,
            one.p50_ms,
            one.p99_ms,
            one.all_parts_ms,
            one.memory_mb
        );
    }
    println!("\n10,000 parts in calls of {PARTS_PER_CALL}, with checksums; zip: {zip_mb:.2} MB");
    let rows: Vec<Value> = all
        .iter()
        .map(|one| {
            json!({ "name": one.name, "start_ms": one.cold_start_ms, "p50_ms": one.p50_ms, "p99_ms": one.p99_ms, "memory_mb": one.memory_mb, "all_parts_ms": one.all_parts_ms })
        })
        .collect();
    let json = json!({ "functions": rows, "zip_mb": zip_mb });
    std::fs::write(result, json.to_string()).unwrap();
}
