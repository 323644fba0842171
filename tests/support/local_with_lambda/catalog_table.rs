//! The edge's table in the DynamoDB server of the test run. The server outlives this process, as on AWS: after a
//! kill, the same data folder finds the same table.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

/// The table's name, derived from the data folder.
pub fn table_name(data: &Path) -> String {
    let digest = Sha256::digest(data.as_os_str().as_encoded_bytes());
    let suffix: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("greloupis-{suffix}")
}

/// Creates the table unless it exists.
pub fn create(server: &str, table: &str) -> Result<(), String> {
    let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
    let attribute = |name: &str, kind: &str| json!({ "AttributeName": name, "AttributeType": kind });
    let index = |name: &str, hash: &str, range: &str| {
        json!({
            "IndexName": name, "KeySchema": [key(hash, "HASH"), key(range, "RANGE")],
            "Projection": { "ProjectionType": "ALL" },
        })
    };
    let response = call(
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
    let exists = response.contains("ResourceInUseException");
    if !exists && response.split(' ').nth(1) != Some("200") {
        return Err(format!("DynamoDB can't create the table: {response}"));
    }
    if !exists {
        let expires = json!({ "AttributeName": "expires", "Enabled": true });
        call(server, "UpdateTimeToLive", &json!({ "TableName": table, "TimeToLiveSpecification": expires }))?;
    }
    Ok(())
}

/// Calls DynamoDB and returns the raw response, head included. The test server requires a signature but doesn't
/// check it.
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
    let mut response = String::new();
    stream.read_to_string(&mut response).map_err(unreachable)?;
    Ok(response)
}
