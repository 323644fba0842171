//! Why a job ends in `ERROR`: MediaConvert's documented number and one plain sentence. Neither ever holds a
//! signed URL: inputs are named by their `s3://` address.

use super::settings::S3Uri;

#[derive(Debug)]
pub enum Failure {
    InputNotFound(S3Uri),
    InputDenied(S3Uri),
    /// S3 answers with an error of its own, or not at all.
    InputUnreadable(S3Uri),
    /// No container that is known here.
    NotMedia(S3Uri),
    /// A known container with its insides missing or wrong.
    Broken(S3Uri),
    /// The file ends before its own index says, in seconds.
    Truncated {
        input: S3Uri,
        found: f64,
        promised: f64,
    },
    NoVideo(S3Uri),
    UnsupportedCodec(S3Uri),
    /// What decodes doesn't give a single picture.
    NoPictures(S3Uri),
    /// Settings and input don't go together; the sentence.
    Settings(String),
    OutputDenied(S3Uri),
    OutputBucketMissing(S3Uri),
    OutputFailed(S3Uri),
    /// This machine's own trouble; the sentence.
    Internal(&'static str),
}

impl Failure {
    /// The number in MediaConvert's list of error codes, and the sentence.
    pub fn answer(&self) -> (u32, String) {
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
            Self::Broken(input) => {
                (1075, format!("The input file {input} is damaged: its container can't be read to the end."))
            }
            Self::Truncated { input, found, promised } => (
                1076,
                format!(
                    "The input file {input} is cut off: it ends after {found:.1} of {promised:.1} seconds."
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
    fn each_failure_has_its_number_and_one_sentence() {
        let uri = || S3Uri { bucket: "b".into(), key: "k.mp4".into() };
        let all = [
            (Failure::NotMedia(uri()), 1010),
            (Failure::NoVideo(uri()), 1020),
            (Failure::UnsupportedCodec(uri()), 1030),
            (Failure::Settings("No.".into()), 1040),
            (Failure::NoPictures(uri()), 1060),
            (Failure::Broken(uri()), 1075),
            (Failure::Truncated { input: uri(), found: 1.0, promised: 9.0 }, 1076),
            (Failure::InputDenied(uri()), 1401),
            (Failure::OutputDenied(uri()), 1401),
            (Failure::InputNotFound(uri()), 1404),
            (Failure::OutputBucketMissing(uri()), 1404),
            (Failure::InputUnreadable(uri()), 1404),
            (Failure::OutputFailed(uri()), 1517),
            (Failure::Internal("No."), 1999),
        ];
        for (failure, code) in all {
            let (number, sentence) = failure.answer();
            assert_eq!(number, code, "{failure:?}");
            assert!(sentence.ends_with('.') && sentence.starts_with(char::is_uppercase), "{sentence}");
        }
    }
}
