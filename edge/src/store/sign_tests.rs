//! Ours against the SDK's presigner, at the same moment with the same credentials.

use super::*;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_smithy_runtime_api::client::http::http_client_fn;
use proptest::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

const NOW: u64 = 1_795_460_000;
const TOKEN: &str = "IQoJb3JpZ2luX2VjEB4aCXVzLWVhc3QtMSJ+/=+ &%~";

/// Credentials good for so many seconds each, named after how often they were asked for.
#[derive(Debug)]
struct Renewing {
    life: u64,
    asked: Arc<AtomicU64>,
}

impl ProvideCredentials for Renewing {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        // The first one was handed out at NOW.
        let end = UNIX_EPOCH + Duration::from_secs(NOW + self.life * (number / 2 + 1));
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

struct Pair {
    client: Client,
    ours: Signer,
    bucket: &'static str,
}

impl Pair {
    fn new(sdk: &SdkConfig, bucket: &'static str, path_style: bool) -> Self {
        let client = Client::from_conf(crate::store::Store::settings(sdk, path_style));
        let ours = Signer::new(client.clone(), bucket, sdk.credentials_provider());
        Self { client, ours, bucket }
    }

    /// The SDK's URL and ours.
    async fn both(&self, key: &str, upload: &str, number: u32, now: u64) -> (String, String) {
        let config = PresigningConfig::builder()
            .start_time(UNIX_EPOCH + Duration::from_secs(now))
            .expires_in(Duration::from_secs(URL_LIFE));
        let part = self.client.upload_part().bucket(self.bucket).key(key).upload_id(upload);
        let theirs = part
            .part_number(i32::try_from(number).unwrap())
            .presigned(config.build().unwrap())
            .await
            .unwrap();
        let ours = self.ours.sign(&session(key, upload), &[number], None, now).await.unwrap();
        (theirs.uri().to_owned(), ours[0].url.clone())
    }
}

/// Every way to name a bucket: virtual hosts, dots, paths, endpoints of one's own with ports and paths.
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
fn a_url_is_the_sdks_to_the_byte_wherever_the_bucket_is() {
    runtime().block_on(async {
        for pair in pairs() {
            let (theirs, ours) = pair.both("inputs/5f2c.mp4", "2~aZ.9-_", 10_000, NOW).await;
            assert_eq!(theirs, ours);
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_url_is_the_sdks_to_the_byte_whatever_is_signed(
        key in "[a-z]{1,5}(/?\\PC{1,20}){1,3}",
        upload in "[ -~]{1,60}",
        number in 1u32..=10_000,
        now in 0u64..4_000_000_000,
    ) {
        let (runtime, pairs) = (runtime(), pairs());
        for pair in [&pairs[0], &pairs[3], &pairs[7]] {
            let (theirs, ours) = runtime.block_on(pair.both(&key, &upload, number, now));
            prop_assert_eq!(theirs, ours);
        }
    }
}

#[tokio::test]
async fn days_change_and_so_does_the_key() {
    let pair = &pairs()[0];
    let midnight = NOW - NOW % DAY + DAY;
    for now in [midnight - 1, midnight, midnight + 7 * DAY] {
        let (theirs, ours) = pair.both("k", "u", 1, now).await;
        assert_eq!(theirs, ours);
    }
}

#[tokio::test]
async fn credentials_are_kept_until_shortly_before_they_end() {
    let asked = Arc::new(AtomicU64::new(0));
    let provider = SharedCredentialsProvider::new(Renewing { life: 900, asked: asked.clone() });
    let sdk = sdk(None, provider);
    let signer = Pair::new(&sdk, "uploads", false).ours;
    let sign = async |at: u64| signer.sign(&session("k", "u"), &[1], None, NOW + at).await.unwrap().remove(0);
    let first = sign(0).await;
    // Once by the SDK, when the bucket's place was learnt, and once by us.
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert!(first.url.contains("AKIA0%2F"));
    assert_eq!(first.expires_at, rfc3339((NOW + 900) * 1000), "a URL lives no longer than its credentials");
    assert!(sign(900 - 61).await.url.contains("AKIA0%2F"));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    let renewed = sign(900 - 60).await;
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    assert!(renewed.url.contains("AKIA1%2F"));
    assert_eq!(renewed.expires_at, rfc3339((NOW + 1800) * 1000));
}

#[tokio::test]
async fn an_hour_is_the_longest_life() {
    let pair = &pairs()[0];
    let parts = pair.ours.sign(&session("k", "u"), &[3, 1], None, NOW).await.unwrap();
    assert_eq!(parts.iter().map(|part| part.part_number).collect::<Vec<_>>(), [3, 1]);
    assert!(parts.iter().all(|part| part.expires_at == rfc3339((NOW + 3600) * 1000)));
}

#[tokio::test]
async fn another_origin_takes_the_place_of_the_buckets() {
    for pair in pairs() {
        let base = Some("https://site.example/up");
        let sign =
            async |base| pair.ours.sign(&session("a b/c", "u"), &[1], base, NOW).await.unwrap().remove(0);
        let (own, others) = (sign(None).await.url, sign(base).await.url);
        let (_, query) = own.split_once('?').unwrap();
        assert_eq!(others, format!("https://site.example/up/a%20b/c?{query}"));
    }
}

#[tokio::test]
async fn without_credentials_nothing_is_signed_and_nothing_told() {
    let mut pair = Pair::new(&sdk(None, fixed(None)), "uploads", false);
    pair.ours.credentials = None;
    let error = pair.ours.sign(&session("k", "u"), &[1], None, NOW).await.unwrap_err();
    assert!(format!("{error:?}").contains("no AWS credentials"), "{error:?}");
}
