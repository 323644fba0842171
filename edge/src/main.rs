//! The Lambda: environment, clients, run. Nothing worth testing.

use aws_config::BehaviorVersion;
use edge::config::{ConfigError, Place, Setup};
use edge::job::JobTemplate;
use edge::{App, Aws, DropIn};
use lambda_http::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_http::tracing::init_default_subscriber();
    // The sentence goes to the log; Lambda shows it as the reason that the function can't start.
    start().await.inspect_err(|error| tracing::error!(%error, "the edge can't start"))
}

async fn start() -> Result<(), Error> {
    let env = |name: &str| std::env::var(name).ok();
    let setup = Setup::read(Place::Lambda, env)?;
    let folder = env("LAMBDA_TASK_ROOT").unwrap_or_else(|| ".".into());
    let job = std::fs::read_to_string(format!("{folder}/job.json"))
        .map_err(|error| ConfigError(format!("job.json can't be read: {error}")))?;
    let job = JobTemplate::parse(&job).map_err(ConfigError)?;
    let sdk = aws_config::load_defaults(BehaviorVersion::latest()).await;
    // An endpoint of one's own is a store outside AWS, and those want the bucket in the path.
    let s3_path_style = env("AWS_ENDPOINT_URL_S3").or_else(|| env("AWS_ENDPOINT_URL")).is_some();
    let aws = Aws { s3: &sdk, s3_path_style, mediaconvert: &sdk, dynamodb: &sdk };
    let gate = match setup {
        Setup::Whole(config) => App::new(*config, job, &aws)?.gate(),
        Setup::DropIn(conversion) => {
            tracing::info!("only the tutorial's settings are there: events are handled, HTTP calls are not");
            DropIn::new(conversion, job, &sdk).gate()
        }
    };
    lambda_http::run(gate).await
}
