//! Secrets that the environment names by the ARN of a secret in Secrets Manager, so that their values aren't part of the
//! function's configuration. Pure: `services::secrets` fetches them.

use super::ConfigError;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

/// Variables whose value may be an ARN.
const SECRETS: [&str; 10] = [
    "UPLOAD_TOKEN_SECRET",
    "UPLOAD_TOKEN_SECRET_PREVIOUS",
    "ORIGIN_SECRET",
    "ORIGIN_SECRET_PREVIOUS",
    "AUTH_JWT_SECRET",
    "AUTH_JWT_SECRET_PREVIOUS",
    "CALLBACK_SECRET",
    "CALLBACK_SECRET_PREVIOUS",
    "AWS_AUTH_KEY",
    "CDN_PRIVATE_KEY",
];
const PREFIX: &str = "arn:aws:secretsmanager:";

/// The ARNs in an environment, by their variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretArns(BTreeMap<&'static str, String>);

/// The value of a secret. `Debug` doesn't show it.
#[derive(Clone, Default, Deserialize)]
pub struct SecretValue {
    current: String,
    #[serde(default)]
    previous: String,
}

impl SecretValue {
    /// Parses `{"current": …, "previous": …}`; any other text is the current value itself.
    pub fn parse(text: String) -> Self {
        match serde_json::from_str(&text) {
            Ok(value) => value,
            Err(_) => Self { current: text, previous: String::new() },
        }
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue")
    }
}

impl SecretArns {
    /// Looks the variables up through `get`.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Self {
        let arns = SECRETS.into_iter().filter_map(|name| {
            let value = get(name)?.trim().to_owned();
            value.starts_with(PREFIX).then_some((name, value))
        });
        Self(arns.collect())
    }

    /// Each ARN once.
    pub fn arns(&self) -> Vec<&str> {
        let mut arns: Vec<&str> = self.0.values().map(String::as_str).collect();
        arns.sort_unstable();
        arns.dedup();
        arns
    }

    /// The variables with the fetched values, by ARN, in place of their ARNs. The previous value of `NAME` becomes
    /// `NAME_PREVIOUS`.
    pub fn resolve(
        &self,
        mut values: impl FnMut(&str) -> Result<SecretValue, String>,
    ) -> Result<BTreeMap<String, String>, ConfigError> {
        let mut variables = BTreeMap::new();
        for (name, arn) in &self.0 {
            let value = values(arn).map_err(|reason| {
                ConfigError(format!("{name} is wrong: the secret that it names can't be read: {reason}"))
            })?;
            variables.insert((*name).to_owned(), value.current);
            let previous = format!("{name}_PREVIOUS");
            if SECRETS.contains(&previous.as_str()) && !value.previous.is_empty() {
                variables.insert(previous, value.previous);
            }
        }
        Ok(variables)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-AbCdEf";

    fn arns(set: &[(&str, &str)]) -> SecretArns {
        SecretArns::read(|name| set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn arn_of_a_secret_is_replaced_by_its_values() {
        let arns = arns(&[
            ("ORIGIN_SECRET", ARN),
            ("CDN_PRIVATE_KEY", ARN),
            ("AUTH_JWT_SECRET", "plain"),
            ("CATALOG", ARN),
        ]);
        assert_eq!(arns.arns(), [ARN]);
        let value = |text: &str| arns.resolve(|_| Ok(SecretValue::parse(text.to_owned()))).unwrap();
        let rotated = value(r#"{"previous":"old","current":"new"}"#);
        assert_eq!(rotated.get("ORIGIN_SECRET").unwrap(), "new");
        assert_eq!(rotated.get("ORIGIN_SECRET_PREVIOUS").unwrap(), "old");
        assert_eq!(rotated.get("CDN_PRIVATE_KEY").unwrap(), "new");
        assert_eq!(rotated.len(), 3);
        assert_eq!(value(r#"{"previous":"","current":"new"}"#).len(), 2);
        assert_eq!(value("plain").get("ORIGIN_SECRET").unwrap(), "plain");
        assert_eq!(value(r#"{"key":1}"#).get("ORIGIN_SECRET").unwrap(), r#"{"key":1}"#);
    }

    #[test]
    fn unreadable_secret_is_reported_with_its_variable() {
        let error = arns(&[("ORIGIN_SECRET", ARN)]).resolve(|_| Err("AccessDenied".into())).unwrap_err();
        assert_eq!(error.0, "ORIGIN_SECRET is wrong: the secret that it names can't be read: AccessDenied");
        assert!(!format!("{:?}", SecretValue::parse("hush".into())).contains("hush"));
    }
}
