//! The edge's table in a DynamoDB that somebody runs for the tests. It outlives us, as on AWS: after a kill, the same
//! data folder finds the same table.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

/// The name of the table for a data folder.
pub fn table_of(data: &Path) -> String {
    let digest = Sha256::digest(data.as_os_str().as_encoded_bytes());
    let word: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("greloupis-{word}")
}

/// Makes the table, if it isn't there.
pub fn create(server: &str, table: &str) -> Result<(), String> {
    let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
    let attribute = |name: &str, kind: &str| json!({ "AttributeName": name, "AttributeType": kind });
    let index = |name: &str, hash: &str, range: &str| {
        json!({
            "IndexName": name, "KeySchema": [key(hash, "HASH"), key(range, "RANGE")],
            "Projection": { "ProjectionType": "ALL" },
        })
    };
    let answer = call(
        server,
        "CreateTable",
        &json!({
            "TableName": table, "BillingMode": "PAY_PER_REQUEST", "KeySchema": [key("id", "HASH")],
            "AttributeDefinitions": [
                attribute("id", "S"), attribute("owner", "S"), attribute("created", "S"), attribute("shard", "S"),
                attribute("due_ms", "N"),
            ],
            "GlobalSecondaryIndexes": [index("by-owner", "owner", "created"), index("unfinished", "shard", "due_ms")],
        }),
    )?;
    let there = answer.contains("ResourceInUseException");
    if !there && answer.split(' ').nth(1) != Some("200") {
        return Err(format!("DynamoDB makes no table: {answer}"));
    }
    if !there {
        let expires = json!({ "AttributeName": "expires", "Enabled": true });
        call(server, "UpdateTimeToLive", &json!({ "TableName": table, "TimeToLiveSpecification": expires }))?;
    }
    Ok(())
}

/// The whole answer, head included. A stand-in looks at no signature, but wants one to stand there.
fn call(server: &str, action: &str, body: &Value) -> Result<String, String> {
    let unreachable = |error: std::io::Error| format!("{server} can't be reached: {error}");
    let host = server.trim_start_matches("http://").trim_end_matches('/');
    let body = body.to_string();
    let mut stream = TcpStream::connect(host).map_err(unreachable)?;
    let credential = "Credential=local/20260101/us-east-1/dynamodb/aws4_request";
    write!(
        stream,
        "POST / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: application/x-amz-json-1.0\r\n\
         x-amz-target: DynamoDB_20120810.{action}\r\ncontent-length: {}\r\n\
         authorization: AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=none\r\n\r\n{body}",
        body.len(),
    )
    .map_err(unreachable)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(unreachable)?;
    Ok(answer)
}
