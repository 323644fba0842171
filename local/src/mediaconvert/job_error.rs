//! Errors that end a job with status `ERROR`: MediaConvert's documented error code and a message. A message
//! contains `s3://` addresses, never signed URLs.

use super::settings::S3Uri;

#[derive(Debug)]
pub enum JobError {
    InputNotFound(S3Uri),
    InputDenied(S3Uri),
    /// S3 returns another error, or doesn't respond.
    InputUnreadable(S3Uri),
    /// No known container format.
    NotMedia(S3Uri),
    /// A known container that is incomplete or malformed.
    Damaged(S3Uri),
    /// The file ends before the duration that its index declares; in seconds.
    Truncated {
        input: S3Uri,
        found: f64,
        declared: f64,
    },
    NoVideo(S3Uri),
    UnsupportedCodec(S3Uri),
    /// Decoding yields no picture.
    NoPictures(S3Uri),
    /// The settings don't fit the input; the message.
    Settings(String),
    OutputDenied(S3Uri),
    OutputBucketMissing(S3Uri),
    OutputFailed(S3Uri),
    /// An error of this machine; the message.
    Internal(&'static str),
}

impl JobError {
    /// Returns MediaConvert's error code and the message.
    pub fn code_and_message(&self) -> (u32, String) {
        match self {
            Self::NotMedia(input) => {
                (1010, format!("The input file {input} can't be opened: it isn't a known media format."))
            }
            Self::NoVideo(input) => (1020, format!("The input file {input} has no video in it.")),
            Self::UnsupportedCodec(input) => {
                (1030, format!("The video in the input file {input} is in a codec that isn't supported."))
            }
            Self::Settings(sentence) => (1040, sentence.clone()),
            Self::NoPictures(input) => {
                (1060, format!("No picture of the input file {input} could be decoded."))
            }
            Self::Damaged(input) => {
                (1075, format!("The input file {input} is damaged: its container can't be read to the end."))
            }
            Self::Truncated { input, found, declared } => (
                1076,
                format!(
                    "The input file {input} is cut off: it ends after {found:.1} of {declared:.1} seconds."
                ),
            ),
            Self::InputDenied(input) => (1401, format!("Access to the input file {input} is denied.")),
            Self::OutputDenied(output) => (1401, format!("Writing the output file {output} is denied.")),
            Self::InputNotFound(input) => (1404, format!("The input file {input} doesn't exist.")),
            Self::OutputBucketMissing(output) => {
                (1404, format!("The bucket of the output file {output} doesn't exist."))
            }
            Self::InputUnreadable(input) => (1404, format!("The input file {input} can't be read from S3.")),
            Self::OutputFailed(output) => (1517, format!("The output file {output} can't be written to S3.")),
            Self::Internal(sentence) => (1999, (*sentence).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_error_has_documented_code_and_message() {
        let uri = || S3Uri { bucket: "b".into(), key: "k.mp4".into() };
        let all = [
            (JobError::NotMedia(uri()), 1010),
            (JobError::NoVideo(uri()), 1020),
            (JobError::UnsupportedCodec(uri()), 1030),
            (JobError::Settings("No.".into()), 1040),
            (JobError::NoPictures(uri()), 1060),
            (JobError::Damaged(uri()), 1075),
            (JobError::Truncated { input: uri(), found: 1.0, declared: 9.0 }, 1076),
            (JobError::InputDenied(uri()), 1401),
            (JobError::OutputDenied(uri()), 1401),
            (JobError::InputNotFound(uri()), 1404),
            (JobError::OutputBucketMissing(uri()), 1404),
            (JobError::InputUnreadable(uri()), 1404),
            (JobError::OutputFailed(uri()), 1517),
            (JobError::Internal("No."), 1999),
        ];
        for (error, expected) in all {
            let (code, message) = error.code_and_message();
            assert_eq!(code, expected, "{error:?}");
            assert!(message.ends_with('.') && message.starts_with(char::is_uppercase), "{message}");
        }
    }
}
