//! What goes to AWS, judged without AWS: the template, who may do what, `deploy` and `doctor`. What only an account
//! can prove stands in docs/deployment.md.

use crate::support::api_client::token;
use crate::support::stack;
use tokio::process::Command;

/// Runs a script of tests/python; all that it prints.
async fn python(words: &[&str]) -> String {
    let python = std::env::var("GRELOUPIS_PYTHON").expect(
        "GRELOUPIS_PYTHON must name a Python with tests/python/requirements.txt: run `cargo xtask test`",
    );
    let script = format!("{}/python/{}", env!("CARGO_MANIFEST_DIR"), words[0]);
    let mut judge = Command::new(python);
    judge.arg(script).args(&words[1..]).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = judge.output().await.unwrap();
    [output.stderr, output.stdout].map(|said| String::from_utf8_lossy(&said).into_owned()).concat()
}

async fn content(words: &[&str]) {
    let said = python(words).await;
    assert_eq!(said.trim().lines().last(), Some("passed"), "{words:?}: {said}");
}

#[tokio::test]
async fn cfn_lint_has_nothing_to_say() {
    content(&["template.py", "lint"]).await;
}

#[tokio::test]
async fn moto_makes_the_stack() {
    content(&["template.py", "created", "created_with_all_options", "unsupported_types_are_known"]).await;
}

#[tokio::test]
async fn the_edge_gets_its_settings() {
    content(&["template.py", "environment"]).await;
}

#[tokio::test]
async fn absurd_parameters_are_refused() {
    content(&["template.py", "parameters"]).await;
}

#[tokio::test]
async fn rules_let_the_right_events_through() {
    content(&["template.py", "events"]).await;
}

#[tokio::test]
async fn the_cdn_caches_what_it_should() {
    content(&["template.py", "delivery"]).await;
}

#[tokio::test]
async fn roles_may_what_they_must_and_no_more() {
    content(&["iam.py"]).await;
}

#[tokio::test]
async fn deploy_goes_through_the_aws_cli() {
    content(&["deploy_moto.py"]).await;
}

#[tokio::test]
async fn the_doctor_finds_what_is_broken() {
    content(&["doctor_moto.py"]).await;
}

/// Its round trip, against the edge and S3 of one machine.
#[tokio::test]
async fn the_doctor_uploads_and_aborts() {
    let secret = "a secret of at least thirty-two bytes";
    let (stack, _data) = stack::start(&[("AUTH_MODE", "jwt"), ("AUTH_JWT_SECRET", secret)]).await;
    let endpoint = format!("{}/api", stack.page);
    content(&["round_trip.py", &endpoint, &token(secret, "doctor")]).await;
    let said =
        python(&["round_trip.py", &endpoint, &token("another secret of thirty-two bytes", "doctor")]).await;
    assert!(said.contains("POST /uploads answers 401") && said.contains("AuthJwtSecret"), "{said}");
}
