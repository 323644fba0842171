//! Compares the presigner with the SDK's and with the crate aws-sigv4, at the same time and with the same credentials.

use super::*;
use aws_credential_types::Credentials;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::http::http_client_fn;
use aws_types::SdkConfig;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

const NOW: u64 = 1_795_460_000;
const TOKEN: &str = "IQoJb3JpZ2luX2VjEB4aCXVzLWVhc3QtMSJ+/=+ &%~";
const ACCESS_KEY: &str = "AKIAEXAMPLE";
const SECRET_KEY: &str = "wJalr/XUtn+FEMI";
/// CRC64NVME of `123456789`.
const CHECKSUM: &str = "rosUhgp5mIg=";
const PART_SIZE: u64 = 5 << 20;

/// Provides credentials that are valid for `lifetime` seconds; their access keys are numbered.
#[derive(Debug)]
struct Renewing {
    lifetime: u64,
    calls: Arc<AtomicU64>,
}

impl ProvideCredentials for Renewing {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        // The first credentials are provided at NOW.
        let end = UNIX_EPOCH + Duration::from_secs(NOW + self.lifetime * (number / 2 + 1));
        let name = format!("AKIA{}", number / 2);
        Provided::ready(Ok(Credentials::new(name, "secret", None, Some(end), "test")))
    }
}

fn sdk(endpoint: Option<&str>, credentials: SharedCredentialsProvider) -> SdkConfig {
    let mut sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(credentials)
        .http_client(http_client_fn(|_, _| panic!("signing makes no call")));
    sdk.set_endpoint_url(endpoint.map(str::to_owned));
    sdk.build()
}

fn fixed(token: Option<&str>) -> SharedCredentialsProvider {
    let token = token.map(str::to_owned);
    SharedCredentialsProvider::new(Credentials::new(ACCESS_KEY, SECRET_KEY, token, None, "test"))
}

/// Of 10,000 parts, the last of 7 bytes.
fn session(key: &str, upload: &str) -> Session {
    Session {
        bucket: "a.bucket".into(),
        key: key.into(),
        s3_upload: upload.into(),
        size: 9_999 * PART_SIZE + 7,
        part_size: PART_SIZE,
        checksum: ChecksumKind::Crc64Nvme,
        owner: "anna".into(),
        expires: 0,
    }
}

fn plan(session: &Session) -> PartPlan {
    PartPlan::with_part_size(session.size, session.part_size).unwrap()
}

fn parts(numbers: &[u32]) -> Vec<PartToSign> {
    let checksum = Some(CHECKSUM.to_owned());
    numbers.iter().map(|number| PartToSign { part_number: *number, checksum: checksum.clone() }).collect()
}

/// The SDK's client and this module's presigner for one bucket.
struct Pair {
    client: Client,
    presigner: Presigner,
    bucket: &'static str,
}

impl Pair {
    fn new(sdk: &SdkConfig, bucket: &'static str, path_style: bool) -> Self {
        let client = Client::from_conf(crate::services::store::Store::client_config(sdk, path_style));
        let presigner = Presigner::new(client.clone(), bucket, sdk.credentials_provider());
        Self { client, presigner, bucket }
    }

    /// Presigns these parts of `session`.
    async fn presign(
        &self,
        session: &Session,
        numbers: &[u32],
        base_url: Option<&str>,
        now: u64,
    ) -> Result<Vec<SignedPart>, StoreError> {
        self.presigner.presign(session, &plan(session), &parts(numbers), base_url, now).await
    }

    /// The SDK's URL and the presigner's, with their headers but for `content-length`, which clients set by themselves.
    async fn both(
        &self,
        session: &Session,
        number: u32,
        now: u64,
    ) -> [(String, BTreeMap<String, String>); 2] {
        let config = PresigningConfig::builder()
            .start_time(UNIX_EPOCH + Duration::from_secs(now))
            .expires_in(Duration::from_secs(URL_LIFETIME_SECS));
        let part =
            self.client.upload_part().bucket(self.bucket).key(&session.key).upload_id(&session.s3_upload);
        let verifies = session.checksum == ChecksumKind::Crc64Nvme;
        let expected = part
            .part_number(i32::try_from(number).unwrap())
            .content_length(i64::try_from(plan(session).len(number)).unwrap())
            .set_checksum_crc64_nvme(verifies.then(|| CHECKSUM.to_owned()))
            .presigned(config.build().unwrap())
            .await
            .unwrap();
        let headers = expected.headers().filter(|(name, _)| *name != "content-length");
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let part = self.presign(session, &[number], None, now).await.unwrap().remove(0);
        [(expected.uri().to_owned(), headers), (part.url, part.headers)]
    }
}

/// All forms of bucket addresses: virtual hosts, dots, paths, custom endpoints with ports and paths.
fn pairs() -> Vec<Pair> {
    let mut pairs = Vec::new();
    for token in [None, Some(TOKEN)] {
        for (endpoint, bucket, path_style) in [
            (None, "uploads", false),
            (None, "a.bucket", false),
            (None, "uploads", true),
            (Some("http://127.0.0.1:8081"), "uploads", true),
            (Some("https://s3.example:443"), "uploads", true),
            (Some("http://s3.example:80/below/it"), "uploads", true),
            (Some("https://s3.example:9000"), "uploads", false),
        ] {
            pairs.push(Pair::new(&sdk(endpoint, fixed(token)), bucket, path_style));
        }
    }
    pairs
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn url_and_headers_equal_the_sdks_for_every_endpoint() {
    runtime().block_on(async {
        for pair in pairs() {
            for (checksum, headers) in [
                (ChecksumKind::Crc64Nvme, "content-length%3Bhost%3Bx-amz-checksum-crc64nvme&"),
                (ChecksumKind::None, "content-length%3Bhost&"),
            ] {
                let session = Session { checksum, ..session("inputs/5f2c.mp4", "2~aZ.9-_") };
                for number in [1, 10_000] {
                    let [expected, own] = pair.both(&session, number, NOW).await;
                    assert_eq!(expected, own);
                    assert!(own.0.contains(&format!("&X-Amz-SignedHeaders={headers}")), "{}", own.0);
                }
            }
        }
    });
}

/// The signature that aws-sigv4 computes for a `PUT` of `uri` with these headers.
fn sigv4(uri: &str, headers: &[(&str, &str)]) -> String {
    let identity = Credentials::new(ACCESS_KEY, SECRET_KEY, Some(TOKEN.into()), None, "test").into();
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_secs(URL_LIFETIME_SECS));
    settings.percent_encoding_mode = aws_sigv4::http_request::PercentEncodingMode::Single;
    settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
    settings.uri_path_normalization_mode = aws_sigv4::http_request::UriPathNormalizationMode::Disabled;
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("eu-central-1")
        .name("s3")
        .time(UNIX_EPOCH + Duration::from_secs(NOW))
        .settings(settings)
        .build()
        .unwrap();
    let request =
        SignableRequest::new("PUT", uri, headers.iter().copied(), SignableBody::UnsignedPayload).unwrap();
    sign(request, &params.into()).unwrap().signature().to_owned()
}

#[tokio::test]
async fn signature_equals_that_of_aws_sigv4() {
    let pair = Pair::new(&sdk(None, fixed(Some(TOKEN))), "uploads", false);
    for (number, length) in [(1, "5242880"), (10_000, "7")] {
        let uri = format!(
            "https://uploads.s3.eu-central-1.amazonaws.com/k?x-id=UploadPart&partNumber={number}&uploadId=u"
        );
        for checksum in [ChecksumKind::Crc64Nvme, ChecksumKind::None] {
            let session = Session { checksum, ..session("k", "u") };
            let part = pair.presign(&session, &[number], None, NOW).await.unwrap().remove(0);
            let length = ("content-length", length);
            let expected = match checksum {
                ChecksumKind::Crc64Nvme => sigv4(&uri, &[length, (CHECKSUM_HEADER, CHECKSUM)]),
                ChecksumKind::None => sigv4(&uri, &[length]),
            };
            assert!(part.url.starts_with(&uri), "{}", part.url);
            assert!(part.url.contains(&format!("&X-Amz-Signature={expected}&")), "{checksum:?} {number}");
            assert_ne!(expected, sigv4(&uri, &[("content-length", "8"), (CHECKSUM_HEADER, CHECKSUM)]));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn url_equals_the_sdks_for_every_key_and_upload(
        key in "[a-z]{1,5}(/?\\PC{1,20}){1,3}",
        upload in "[ -~]{1,60}",
        number in 1u32..=10_000,
        now in 0u64..4_000_000_000,
    ) {
        let (runtime, pairs) = (runtime(), pairs());
        for pair in [&pairs[0], &pairs[3], &pairs[7]] {
            let [expected, own] = runtime.block_on(pair.both(&session(&key, &upload), number, now));
            prop_assert_eq!(expected, own);
        }
    }
}

#[tokio::test]
async fn key_changes_at_midnight() {
    let pair = &pairs()[0];
    let midnight = NOW - NOW % DAY_SECS + DAY_SECS;
    for now in [midnight - 1, midnight, midnight + 7 * DAY_SECS] {
        let [expected, own] = pair.both(&session("k", "u"), 1, now).await;
        assert_eq!(expected, own);
    }
}

#[tokio::test]
async fn credentials_are_cached_until_shortly_before_their_expiry() {
    let calls = Arc::new(AtomicU64::new(0));
    let provider = SharedCredentialsProvider::new(Renewing { lifetime: 900, calls: calls.clone() });
    let sdk = sdk(None, provider);
    let pair = Pair::new(&sdk, "uploads", false);
    let presign =
        async |after: u64| pair.presign(&session("k", "u"), &[1], None, NOW + after).await.unwrap().remove(0);
    let first = presign(0).await;
    // One call by the SDK to discover the endpoint, and one by the presigner.
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    assert!(first.url.contains("AKIA0%2F"));
    assert_eq!(first.expires_at, rfc3339((NOW + 900) * 1000), "a URL expires with its credentials");
    assert!(presign(900 - 61).await.url.contains("AKIA0%2F"));
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    let renewed = presign(900 - 60).await;
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    assert!(renewed.url.contains("AKIA1%2F"));
    assert_eq!(renewed.expires_at, rfc3339((NOW + 1800) * 1000));
}

#[tokio::test]
async fn url_expires_after_one_hour_at_the_latest() {
    let pair = &pairs()[0];
    let parts = pair.presign(&session("k", "u"), &[3, 1], None, NOW).await.unwrap();
    assert_eq!(parts.iter().map(|part| part.part_number).collect::<Vec<_>>(), [3, 1]);
    assert!(parts.iter().all(|part| part.expires_at == rfc3339((NOW + 3600) * 1000)));
}

#[tokio::test]
async fn base_url_replaces_the_buckets_origin() {
    for pair in pairs() {
        let base = Some("https://site.example/up");
        let presign =
            async |base| pair.presign(&session("a b/c", "u"), &[1], base, NOW).await.unwrap().remove(0);
        let (own, others) = (presign(None).await.url, presign(base).await.url);
        let (_, query) = own.split_once('?').unwrap();
        assert_eq!(others, format!("https://site.example/up/a%20b/c?{query}"));
    }
}

#[tokio::test]
async fn missing_credentials_are_an_error_without_secrets() {
    let mut pair = Pair::new(&sdk(None, fixed(None)), "uploads", false);
    pair.presigner.credentials = None;
    let error = pair.presign(&session("k", "u"), &[1], None, NOW).await.unwrap_err();
    assert!(format!("{error:?}").contains("no AWS credentials"), "{error:?}");
}
