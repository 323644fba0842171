//! Compares the presigner with the SDK's, at the same time and with the same credentials.

use super::*;
use aws_credential_types::Credentials;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_smithy_runtime_api::client::http::http_client_fn;
use aws_types::SdkConfig;
use proptest::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

const NOW: u64 = 1_795_460_000;
const TOKEN: &str = "IQoJb3JpZ2luX2VjEB4aCXVzLWVhc3QtMSJ+/=+ &%~";

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
    SharedCredentialsProvider::new(Credentials::new("AKIAEXAMPLE", "wJalr/XUtn+FEMI", token, None, "test"))
}

fn session(key: &str, upload: &str) -> Session {
    Session {
        bucket: "a.bucket".into(),
        key: key.into(),
        s3_upload: upload.into(),
        size: 1,
        part_size: 1,
        owner: "anna".into(),
        expires: 0,
    }
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

    /// The SDK's URL and the presigner's.
    async fn both(&self, key: &str, upload: &str, number: u32, now: u64) -> (String, String) {
        let config = PresigningConfig::builder()
            .start_time(UNIX_EPOCH + Duration::from_secs(now))
            .expires_in(Duration::from_secs(URL_LIFETIME_SECS));
        let part = self.client.upload_part().bucket(self.bucket).key(key).upload_id(upload);
        let expected = part
            .part_number(i32::try_from(number).unwrap())
            .presigned(config.build().unwrap())
            .await
            .unwrap();
        let parts = self.presigner.presign(&session(key, upload), &[number], None, now).await.unwrap();
        (expected.uri().to_owned(), parts[0].url.clone())
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
fn url_equals_the_sdks_for_every_endpoint() {
    runtime().block_on(async {
        for pair in pairs() {
            let (expected, url) = pair.both("inputs/5f2c.mp4", "2~aZ.9-_", 10_000, NOW).await;
            assert_eq!(expected, url);
        }
    });
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
            let (expected, url) = runtime.block_on(pair.both(&key, &upload, number, now));
            prop_assert_eq!(expected, url);
        }
    }
}

#[tokio::test]
async fn key_changes_at_midnight() {
    let pair = &pairs()[0];
    let midnight = NOW - NOW % DAY_SECS + DAY_SECS;
    for now in [midnight - 1, midnight, midnight + 7 * DAY_SECS] {
        let (expected, url) = pair.both("k", "u", 1, now).await;
        assert_eq!(expected, url);
    }
}

#[tokio::test]
async fn credentials_are_cached_until_shortly_before_their_expiry() {
    let calls = Arc::new(AtomicU64::new(0));
    let provider = SharedCredentialsProvider::new(Renewing { lifetime: 900, calls: calls.clone() });
    let sdk = sdk(None, provider);
    let presigner = Pair::new(&sdk, "uploads", false).presigner;
    let presign = async |after: u64| {
        presigner.presign(&session("k", "u"), &[1], None, NOW + after).await.unwrap().remove(0)
    };
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
    let parts = pair.presigner.presign(&session("k", "u"), &[3, 1], None, NOW).await.unwrap();
    assert_eq!(parts.iter().map(|part| part.part_number).collect::<Vec<_>>(), [3, 1]);
    assert!(parts.iter().all(|part| part.expires_at == rfc3339((NOW + 3600) * 1000)));
}

#[tokio::test]
async fn base_url_replaces_the_buckets_origin() {
    for pair in pairs() {
        let base = Some("https://site.example/up");
        let presign = async |base| {
            pair.presigner.presign(&session("a b/c", "u"), &[1], base, NOW).await.unwrap().remove(0)
        };
        let (own, others) = (presign(None).await.url, presign(base).await.url);
        let (_, query) = own.split_once('?').unwrap();
        assert_eq!(others, format!("https://site.example/up/a%20b/c?{query}"));
    }
}

#[tokio::test]
async fn missing_credentials_are_an_error_without_secrets() {
    let mut pair = Pair::new(&sdk(None, fixed(None)), "uploads", false);
    pair.presigner.credentials = None;
    let error = pair.presigner.presign(&session("k", "u"), &[1], None, NOW).await.unwrap_err();
    assert!(format!("{error:?}").contains("no AWS credentials"), "{error:?}");
}
