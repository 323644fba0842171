//! `bench_edge UNPACKED ZIP PYTHON RESULT`: the packaged edge under Lambda's Runtime API beside the same presign in
//! Python (awslambdaric, boto3) and Node (AWS SDK v3), turn by turn. Prints a table and writes its numbers.
// A measurement may fail as tests do, and printing is what it is for.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use axum::Router;
use axum::http::HeaderMap;
use bytes::Bytes;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tests::lambda_runtime::{Function, Lambda, Outcome};
use tests::token;

/// Cold starts of each, in turn.
const STARTS: usize = 11;
/// Warm calls of each: so many in a row, so many times in turn. The first ones of a row bring a function back to the
/// processor, which the others have just left, and aren't counted.
const CALLS: usize = 200;
const TURNS: usize = 10;
const WARM_UP: usize = 20;
const SECRET: &str = "a secret of at least thirty-two bytes";
const ROOTS: [&str; 2] = ["/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt"];
const PART: u64 = 8 << 20;
const OPENED: &str = "<InitiateMultipartUploadResult><UploadId>2~AbCdEfGhIjKlMnOpQrStUvWxYz</UploadId></InitiateMultipartUploadResult>";

/// What was measured of one contestant, times in milliseconds.
struct Figures {
    name: &'static str,
    start: f64,
    p50: f64,
    p99: f64,
    memory_mb: f64,
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
    for _ in 0..STARTS {
        for (at, (_, function)) in functions.iter().enumerate() {
            let invoked =
                Lambda::new(function.clone()).invoke(event(&json!({ "partNumbers": [1] }), "x")).await;
            starts[at].push(ms(invoked.report.init.expect("a cold start")));
        }
    }
    let lambdas: Vec<Lambda> = functions.iter().map(|(_, function)| Lambda::new(function.clone())).collect();
    let upload = open(&lambdas[0]).await;
    let mut calls = vec![Vec::new(); functions.len()];
    let mut memory = vec![0; functions.len()];
    for _ in 0..TURNS {
        for (at, lambda) in lambdas.iter().enumerate() {
            for number in 1..=WARM_UP + CALLS {
                let invoked = lambda.invoke(event(&json!({ "partNumbers": [number] }), &upload)).await;
                signed(&invoked.outcome);
                memory[at] = invoked.report.memory_kb;
                if number > WARM_UP {
                    calls[at].push(ms(invoked.report.duration));
                }
            }
        }
    }
    // The largest window, ten times: all parts of the largest upload.
    let mut many = 0.0;
    for call in 0..10 {
        let numbers: Vec<usize> = (call * 1_000 + 1..=(call + 1) * 1_000).collect();
        let invoked = lambdas[0].invoke(event(&json!({ "partNumbers": numbers }), &upload)).await;
        signed(&invoked.outcome);
        many += ms(invoked.report.duration);
        memory[0] = memory[0].max(invoked.report.memory_kb);
    }
    let all: Vec<Figures> = (0..functions.len())
        .map(|at| Figures {
            name: functions[at].0,
            start: at_share(&mut starts[at], 0.5),
            p50: at_share(&mut calls[at], 0.5),
            p99: at_share(&mut calls[at], 0.99),
            memory_mb: memory[at] as f64 / 1e3,
        })
        .collect();
    let zip_mb = std::fs::metadata(zip).expect("the zip is there").len() as f64 / 1e6;
    tell(&all, many, zip_mb, result);
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
    // Amazon Linux keeps its root certificates in one file; others add a folder of hundreds, which a start would read.
    let roots = ROOTS.iter().find(|file| Path::new(file).exists()).map(|file| ("SSL_CERT_FILE", *file));
    let env = env.into_iter().chain(roots);
    let env: Vec<(String, String)> = env.map(|(name, value)| (name.into(), value.into())).collect();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/edge");
    let of = |task: &Path, command: &[&str]| {
        let mut function = Function::new(task, env.clone());
        if !command.is_empty() {
            function.command = command.iter().map(|word| (*word).to_owned()).collect();
        }
        function.concurrency = 1;
        function.log = Some(data.join("log"));
        function
    };
    vec![
        ("edge", of(unpacked, &[])),
        (
            "Python, boto3",
            of(&here, &[&python.to_string_lossy(), "-m", "awslambdaric", "lambda_function.handler"]),
        ),
        ("Node, AWS SDK v3", of(&here, &["node", "node_presigner.mjs"])),
    ]
}

/// An S3 that opens uploads, and a table that takes what is written; signing asks neither.
async fn aws() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answers)).await });
    url
}

async fn answers(headers: HeaderMap) -> &'static str {
    if headers.contains_key("x-amz-target") { "{}" } else { OPENED }
}

/// A function URL's event. The peers look at the body alone; the edge also checks who asks, and the upload's token.
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

fn answer(outcome: &Outcome) -> Value {
    let Outcome::Response(bytes) = outcome else { panic!("a function failed: {outcome:?}") };
    let answer: Value = serde_json::from_slice(bytes).unwrap();
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

fn signed(outcome: &Outcome) {
    let answer = answer(outcome);
    let url = answer["parts"][0]["url"].as_str().unwrap_or_else(|| panic!("nothing was signed: {answer}"));
    assert!(url.contains("X-Amz-Signature="));
}

async fn open(edge: &Lambda) -> String {
    let body = json!({ "fileName": "a.mp4", "size": 10_000 * PART, "contentType": "video/mp4" });
    let invoked = edge.invoke(event(&body, "")).await;
    answer(&invoked.outcome)["upload"].as_str().expect("an upload is opened").to_owned()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The value below which this share of all lies.
fn at_share(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share).round() as usize]
}

fn tell(all: &[Figures], many: f64, zip_mb: f64, result: &Path) {
    println!("| | start, ms | the edge's share | warm p50, ms | p99, ms | memory, MB |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for one in all {
        let share = all[0].start / one.start;
        println!(
            "| {} | {:.1} | 1/{:.1} | {:.2} | {:.2} | {:.0} |",
            one.name,
            one.start,
            1.0 / share,
            one.p50,
            one.p99,
            one.memory_mb
        );
    }
    println!("\n10,000 parts in ten calls: {many:.0} ms; zip: {zip_mb:.2} MB");
    let rows: Vec<Value> = all
        .iter()
        .map(|one| {
            json!({ "name": one.name, "start_ms": one.start, "p50_ms": one.p50, "p99_ms": one.p99, "memory_mb": one.memory_mb })
        })
        .collect();
    let json = json!({ "contestants": rows, "ten_calls_of_1000_ms": many, "zip_mb": zip_mb });
    std::fs::write(result, json.to_string()).unwrap();
}
