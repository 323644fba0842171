//! The operations, parameters and headers that the endpoint has. A request with any other is refused by name: `s3s`
//! would take it for an operation without it, such as `PUT ?renameObject` for `PutObject`. Pure.

use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use s3s::{S3Error, s3_error};
use std::borrow::Cow;

/// The part of the path that a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    Service,
    Bucket,
    Object,
}

/// An operation, as S3 names it.
pub struct Operation {
    pub name: &'static str,
    method: Method,
    resource: Resource,
    /// The query parameter that selects it; empty if none does.
    subresource: &'static str,
    required: &'static [&'static str],
    optional: &'static [&'static str],
}

macro_rules! operations {
    ($($name:ident: $method:ident $resource:ident $subresource:literal $required:tt $optional:expr;)*) => {
        &[$(Operation {
            name: stringify!($name),
            method: Method::$method,
            resource: Resource::$resource,
            subresource: $subresource,
            required: &$required,
            optional: &$optional,
        }),*]
    };
}

const READ: [&str; 8] = [
    "partNumber",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "versionId",
];
const LIST: [&str; 9] = [
    "continuation-token",
    "delimiter",
    "encoding-type",
    "fetch-owner",
    "list-type",
    "marker",
    "max-keys",
    "prefix",
    "start-after",
];
const UPLOADS: [&str; 6] =
    ["delimiter", "encoding-type", "key-marker", "max-uploads", "prefix", "upload-id-marker"];
const PARTS: [&str; 3] = ["encoding-type", "max-parts", "part-number-marker"];

pub const OPERATIONS: &[Operation] = operations! {
    ListBuckets: GET Service "" [] ["bucket-region", "continuation-token", "max-buckets", "prefix"];
    HeadBucket: HEAD Bucket "" [] [];
    CreateBucket: PUT Bucket "" [] [];
    DeleteBucket: DELETE Bucket "" [] [];
    ListObjects: GET Bucket "" [] LIST;
    GetBucketLocation: GET Bucket "location" [] [];
    GetBucketVersioning: GET Bucket "versioning" [] [];
    GetBucketAcl: GET Bucket "acl" [] [];
    GetBucketCors: GET Bucket "cors" [] [];
    PutBucketCors: PUT Bucket "cors" [] [];
    DeleteBucketCors: DELETE Bucket "cors" [] [];
    ListMultipartUploads: GET Bucket "uploads" [] UPLOADS;
    DeleteObjects: POST Bucket "delete" [] [];
    PutObject: PUT Object "" [] [];
    GetObject: GET Object "" [] READ;
    HeadObject: HEAD Object "" [] READ;
    DeleteObject: DELETE Object "" [] ["versionId"];
    GetObjectAcl: GET Object "acl" [] ["versionId"];
    GetObjectTagging: GET Object "tagging" [] ["versionId"];
    PutObjectTagging: PUT Object "tagging" [] ["versionId"];
    DeleteObjectTagging: DELETE Object "tagging" [] ["versionId"];
    CreateMultipartUpload: POST Object "uploads" [] [];
    UploadPart: PUT Object "uploadId" ["partNumber"] [];
    ListParts: GET Object "uploadId" [] PARTS;
    CompleteMultipartUpload: POST Object "uploadId" [] [];
    AbortMultipartUpload: DELETE Object "uploadId" [] [];
};

/// Query parameters of signatures. boto3 repeats signed headers of version 2 in the query.
const AUTHENTICATION: [&str; 13] = [
    "content-md5",
    "content-type",
    "X-Amz-Algorithm",
    "X-Amz-Content-Sha256",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
    "AWSAccessKeyId",
    "Signature",
    "Expires",
];

/// Headers of S3 that are understood, without `x-amz-`. Others are refused.
const HEADERS: [&str; 31] = [
    "acl",
    "checksum-algorithm",
    "checksum-crc32",
    "checksum-crc32c",
    "checksum-crc64nvme",
    "checksum-mode",
    "checksum-sha1",
    "checksum-sha256",
    "checksum-type",
    "content-sha256",
    "copy-source",
    "copy-source-if-match",
    "copy-source-if-modified-since",
    "copy-source-if-none-match",
    "copy-source-if-unmodified-since",
    "copy-source-range",
    "date",
    "decoded-content-length",
    "metadata-directive",
    "mp-object-size",
    "object-ownership",
    "sdk-checksum-algorithm",
    "security-token",
    "server-side-encryption",
    "storage-class",
    "tagging",
    "tagging-directive",
    "te",
    "trailer",
    "user-agent",
    "request-payer",
];
/// The longest lifetime of a presigned URL of version 4, in seconds.
const MAX_EXPIRES: u64 = 7 * 24 * 60 * 60;

/// Returns each parameter of a query, decoded.
pub fn parameters(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        Cow::from(percent_decode_str(&text).decode_utf8_lossy().into_owned())
    };
    query.split('&').filter(|pair| !pair.is_empty()).map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

/// Returns whether a query parameter of a presigned URL stands for a header, as some clients' signers write it.
pub fn is_hoisted_header(name: &str) -> bool {
    name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("x-amz-")) && !AUTHENTICATION.contains(&name)
}

/// Checks method and parameters. Fails with `NotImplemented` for what the endpoint doesn't have, and with
/// `InvalidArgument` if a parameter is missing.
pub fn check(method: &Method, resource: Resource, query: &str) -> Result<(), S3Error> {
    let names: Vec<_> = parameters(query)
        .map(|(name, _)| name)
        .filter(|name| name != "x-id" && !AUTHENTICATION.contains(&name.as_ref()) && !is_hoisted_header(name))
        .collect();
    let of_request: Vec<_> =
        OPERATIONS.iter().filter(|one| one.method == *method && one.resource == resource).collect();
    let selected = of_request
        .iter()
        .find(|one| names.iter().any(|name| name == one.subresource))
        .or_else(|| of_request.iter().find(|one| one.subresource.is_empty()));
    let Some(operation) = selected else {
        return Err(s3_error!(NotImplemented, "{method} of this resource isn't supported."));
    };
    let mut allowed = operation.required.iter().chain(operation.optional).chain([&operation.subresource]);
    if let Some(other) = names.iter().find(|name| !allowed.clone().any(|allowed| name == allowed)) {
        return Err(s3_error!(NotImplemented, "{} doesn't support the parameter {other}.", operation.name));
    }
    if let Some(missing) =
        operation.required.iter().find(|required| !names.iter().any(|name| name == *required))
    {
        return Err(s3_error!(InvalidArgument, "{} requires the parameter {missing}.", operation.name));
    }
    if allowed.any(|name| *name == "versionId")
        && parameters(query).any(|(name, value)| name == "versionId" && value != "null")
    {
        return Err(s3_error!(NotImplemented, "Versions aren't supported."));
    }
    Ok(())
}

/// Checks how a request is signed, before `s3s` verifies the signature. Fails with S3's codes.
pub fn check_authentication(query: &str, headers: &HeaderMap) -> Result<(), S3Error> {
    let presigned =
        parameters(query).any(|(name, _)| ["X-Amz-Signature", "Signature"].contains(&name.as_ref()));
    if presigned && headers.contains_key(http::header::AUTHORIZATION) {
        return Err(s3_error!(
            InvalidArgument,
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified"
        ));
    }
    for (name, value) in parameters(query) {
        if name != "X-Amz-Expires" {
            continue;
        }
        let message = match value.parse::<i64>().map(u64::try_from) {
            Ok(Ok(seconds)) if seconds <= MAX_EXPIRES => continue,
            Ok(Ok(_)) => {
                "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"
            }
            Ok(Err(_)) => "X-Amz-Expires must be non-negative",
            Err(_) => "X-Amz-Expires should be a number",
        };
        return Err(s3_error!(AuthorizationQueryParametersError, "{message}"));
    }
    Ok(())
}

/// Checks the headers of S3. Fails with `NotImplemented`, or with `AccessControlListNotSupported` for an ACL that
/// gives others access, as S3 does unless a bucket enables ACLs.
pub fn check_headers(headers: &HeaderMap) -> Result<(), S3Error> {
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix("x-amz-") else { continue };
        if !HEADERS.contains(&name) && !name.starts_with("meta-") {
            return Err(s3_error!(
                NotImplemented,
                "A header you provided implies functionality that is not implemented: x-amz-{name}"
            ));
        }
        let refused = match name {
            "acl" => !["private", "bucket-owner-full-control"].iter().any(|acl| value == acl),
            "object-ownership" => value != "BucketOwnerEnforced",
            _ => false,
        };
        if refused {
            return Err(s3_error!(AccessControlListNotSupported, "The bucket does not allow ACLs"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn code(result: Result<(), S3Error>) -> String {
        result.map_or_else(|error| error.code().as_str().to_owned(), |()| "ok".to_owned())
    }

    #[test]
    fn document_lists_each_operation() {
        let document = include_str!("../../../docs/s3.md");
        let table = document.split("## ").find(|section| section.starts_with("Operations")).unwrap();
        // Named by the document's first column, beside the operations that a parameter or a header selects.
        let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" |"));
        let listed: std::collections::BTreeSet<_> = rows
            .flat_map(|(names, _)| names.split(", ").map(|name| name.trim_matches('`')).collect::<Vec<_>>())
            .collect();
        let implemented = OPERATIONS.iter().map(|operation| operation.name);
        let selected = ["ListObjectsV2", "CopyObject", "UploadPartCopy"];
        assert_eq!(listed, implemented.chain(selected).collect());
    }

    #[test]
    fn parameter_of_no_operation_is_refused() {
        let cases = [
            (Method::GET, Resource::Bucket, "list-type=2&prefix=a%2F&x-id=ListObjectsV2", "ok"),
            (Method::GET, Resource::Bucket, "versions", "NotImplemented"),
            (Method::GET, Resource::Bucket, "location&acl", "NotImplemented"),
            (Method::PUT, Resource::Bucket, "lifecycle", "NotImplemented"),
            (Method::PUT, Resource::Object, "x-id=PutObject", "ok"),
            (Method::PUT, Resource::Object, "renameObject", "NotImplemented"),
            (Method::PUT, Resource::Object, "%72enameObject", "NotImplemented"),
            (Method::PUT, Resource::Object, "partNumber=1", "NotImplemented"),
            (Method::PUT, Resource::Object, "uploadId=a", "InvalidArgument"),
            (Method::PUT, Resource::Object, "uploadId=a&partNumber=1", "ok"),
            (Method::PUT, Resource::Object, "acl", "NotImplemented"),
            (Method::DELETE, Resource::Object, "versionId=abc", "NotImplemented"),
            (Method::DELETE, Resource::Object, "versionId=null", "ok"),
            (Method::GET, Resource::Object, "attributes", "NotImplemented"),
            (Method::POST, Resource::Object, "restore", "NotImplemented"),
            (Method::POST, Resource::Object, "", "NotImplemented"),
            (Method::PATCH, Resource::Object, "", "NotImplemented"),
            (Method::PUT, Resource::Service, "", "NotImplemented"),
        ];
        for (method, resource, query, expected) in cases {
            let result = code(check(&method, resource, query));
            assert_eq!(result, expected, "{method} {resource:?} {query}");
        }
    }

    #[test]
    fn authentication_that_s3_refuses_is_refused() {
        let url = |expires: &str| {
            let query = format!("X-Amz-Signature=0&X-Amz-Expires={expires}");
            code(check_authentication(&query, &HeaderMap::new()))
        };
        assert_eq!(url("604800"), "ok");
        for wrong in ["604801", "-1", "week", "99999999999999999999"] {
            assert_eq!(url(wrong), "AuthorizationQueryParametersError", "{wrong}");
        }
        let headers =
            [(http::header::AUTHORIZATION, HeaderValue::from_static("Bearer a"))].into_iter().collect();
        let both = check_authentication("X-Amz-Signature=0", &headers);
        assert_eq!(code(both), "InvalidArgument");
    }

    #[test]
    fn header_that_is_not_understood_is_refused() {
        let cases = [
            ("x-amz-meta-anything", "a", "ok"),
            ("content-type", "a/b", "ok"),
            ("x-amz-acl", "private", "ok"),
            ("x-amz-acl", "public-read", "AccessControlListNotSupported"),
            ("x-amz-grant-read", "id=a", "NotImplemented"),
            ("x-amz-object-lock-mode", "GOVERNANCE", "NotImplemented"),
            ("x-amz-server-side-encryption-customer-key", "a", "NotImplemented"),
            ("x-amz-rename-source", "a", "NotImplemented"),
        ];
        for (name, value, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            assert_eq!(code(check_headers(&headers)), expected, "{name}: {value}");
        }
    }
}
