//! Amazon's system presets of the families for HLS, MP4, CMAF and DASH. Their settings are derived from their names,
//! which state container, codec, size, frame rate and bit rate. Pure.

use serde_json::{Value, json};

/// Names that `ListPresets` returns for `SYSTEM`. Others of the same pattern can be used, too.
pub const NAMES: &[&str] = &[
    "System-Avc_16x9_1080p_29_97fps_8500kbps",
    "System-Avc_16x9_720p_29_97fps_6500kbps",
    "System-Avc_16x9_720p_29_97fps_5000kbps",
    "System-Avc_16x9_720p_29_97fps_3500kbps",
    "System-Avc_16x9_540p_29_97fps_3500kbps",
    "System-Avc_16x9_360p_29_97fps_1200kbps",
    "System-Avc_16x9_360p_29_97fps_600kbps",
    "System-Avc_16x9_270p_14_99fps_400kbps",
    "System-Avc_4x3_480p_29_97fps_600kbps",
    "System-Generic_Hd_Mp4_Avc_Aac_16x9_1920x1080p_24Hz_6Mbps",
    "System-Generic_Hd_Mp4_Avc_Aac_16x9_1280x720p_24Hz_4.5Mbps",
    "System-Generic_Sd_Mp4_Avc_Aac_4x3_640x480p_24Hz_1.5Mbps",
    "System-Generic_Hd_Mp4_Hevc_Aac_16x9_1920x1080p_24Hz_4.5Mbps",
    "System-Ott_Hls_Ts_Avc_Aac_16x9_1920x1080p_30Hz_8.5Mbps",
    "System-Ott_Hls_Ts_Avc_Aac_16x9_1280x720p_30Hz_5.0Mbps",
    "System-Ott_Hls_Ts_Avc_Aac_16x9_640x360p_30Hz_1.2Mbps",
    "System-Ott_Hls_Ts_Avc_Aac_16x9_480x270p_15Hz_0.4Mbps",
    "System-Ott_Hls_Ts_Avc_Aac_16x9_480x270p_0.4Mbps",
    "System-Ott_Cmaf_Cmfc_Avc_16x9_Sdr_1920x1080p_30Hz_10Mbps_Qvbr_Vq9",
    "System-Ott_Cmaf_Cmfc_Avc_16x9_Sdr_1280x720p_30Hz_5Mbps_Qvbr_Vq9",
    "System-Ott_Cmaf_Cmfc_Avc_16x9_Sdr_640x360p_30Hz_0.8Mbps_Qvbr_Vq7",
    "System-Ott_Cmaf_Cmfc_Hevc_16x9_Sdr_1280x720p_30Hz_4Mbps_Qvbr_Vq9",
    "System-Ott_Cmaf_Cmfc_Aac_He_96Kbps",
    "System-Ott_Dash_Mp4_Avc_16x9_1280x720p_30Hz_5.0Mbps",
];

/// Returns the settings of a system preset; `None` if its name isn't of a known family.
pub fn settings(name: &str) -> Option<Value> {
    let lower = name.strip_prefix("System-").or_else(|| name.strip_prefix("system-"))?.to_lowercase();
    let words: Vec<_> = lower.split('_').collect();
    let has = |word: &str| words.contains(&word);
    let container = match words.as_slice() {
        ["avc", ..] | ["ott", "hls", "ts", ..] => "M3U8",
        ["ott", "cmaf", "cmfc", ..] => "CMFC",
        ["ott", "dash", "mp4", ..] => "MPD",
        ["generic", ..] if has("mp4") => "MP4",
        _ => return None,
    };
    let mut preset = json!({"containerSettings": {"container": container}});
    let (rate, is_kilobits_audio) = bit_rate(&words)?;
    let codec = match () {
        () if has("avc") => Some("H_264"),
        () if has("hevc") => Some("H_265"),
        () => None,
    };
    if let Some(codec) = codec {
        preset["videoDescription"] = video(&words, codec, rate)?;
    } else if !(has("aac") && is_kilobits_audio) {
        return None;
    }
    let muxed = matches!(container, "M3U8" | "MP4");
    if has("aac") || muxed {
        let bitrate = if codec.is_none() { rate } else { 96_000 };
        preset["audioDescriptions"] = json!([{
            "audioSourceName": "Audio Selector 1",
            "codecSettings": {"codec": "AAC", "aacSettings": {
                "bitrate": bitrate, "codingMode": "CODING_MODE_2_0", "sampleRate": 48_000,
            }},
        }]);
    }
    Some(preset)
}

fn video(words: &[&str], codec: &str, rate: u64) -> Option<Value> {
    let (width, height) = size(words)?;
    let quality = words.iter().find_map(|word| word.strip_prefix("vq")?.parse::<u32>().ok());
    let mut settings = json!({
        "gopSize": 2, "gopSizeUnits": "SECONDS", "codecProfile": if codec == "H_264" { "HIGH" } else { "MAIN_MAIN" },
        "qualityTuningLevel": "SINGLE_PASS_HQ",
    });
    if words.iter().any(|word| word.ends_with("hz") || word.ends_with("fps")) {
        let (numerator, denominator) = frame_rate(words)?;
        settings["framerateControl"] = "SPECIFIED".into();
        settings["framerateNumerator"] = numerator.into();
        settings["framerateDenominator"] = denominator.into();
    } else {
        settings["framerateControl"] = "INITIALIZE_FROM_SOURCE".into();
    }
    match quality {
        Some(level) => {
            settings["rateControlMode"] = "QVBR".into();
            settings["qvbrSettings"] = json!({"qvbrQualityLevel": level});
            settings["maxBitrate"] = rate.into();
        }
        None => {
            settings["rateControlMode"] = if words.contains(&"cbr") { "CBR" } else { "VBR" }.into();
            settings["bitrate"] = rate.into();
            settings["maxBitrate"] = (rate * 3 / 2).into();
        }
    }
    let member = if codec == "H_264" { "h264Settings" } else { "h265Settings" };
    let mut codec_settings = json!({"codec": codec});
    codec_settings[member] = settings;
    Some(json!({"width": width, "height": height, "codecSettings": codec_settings}))
}

/// Parses `1280x720p`, or `720p` with the aspect ratio in another word.
fn size(words: &[&str]) -> Option<(u32, u32)> {
    let word = words.iter().find_map(|word| {
        word.strip_suffix('p').filter(|size| size.starts_with(|c: char| c.is_ascii_digit()))
    })?;
    if let Some((width, height)) = word.split_once('x') {
        return Some((width.parse().ok()?, height.parse().ok()?));
    }
    let height: u32 = word.parse().ok().filter(|height| (100..=4320).contains(height))?;
    let width = if words.contains(&"4x3") { height * 4 / 3 } else { height * 16 / 9 };
    Some((width / 2 * 2, height))
}

/// Parses `30hz`, or `29_97fps`, whose comma is between two words.
fn frame_rate(words: &[&str]) -> Option<(u32, u32)> {
    if let Some(rate) = words.iter().find_map(|word| word.strip_suffix("hz")) {
        let rate: f64 = rate.parse().ok()?;
        return ntsc(rate);
    }
    let index = words.iter().position(|word| word.ends_with("fps"))?;
    let last = words[index].trim_end_matches("fps");
    let whole = index.checked_sub(1).and_then(|before| words[before].parse::<u32>().ok());
    ntsc(match whole {
        Some(whole) => format!("{whole}.{last}").parse().ok()?,
        None => last.parse().ok()?,
    })
}

fn ntsc(rate: f64) -> Option<(u32, u32)> {
    if !(1.0..=120.0).contains(&rate) {
        return None;
    }
    // The range keeps the value in that of the cast.
    let whole = rate.ceil() as u32;
    Some(if rate.fract() == 0.0 { (whole, 1) } else { (whole * 1000, 1001) })
}

/// Parses `5.0mbps`, `3500kbps` or `4_5mbps` in bits per second; `true` for kilobits.
fn bit_rate(words: &[&str]) -> Option<(u64, bool)> {
    let index = words.iter().position(|word| word.ends_with("bps"))?;
    let (number, unit) = words[index].split_at(words[index].len().checked_sub(4)?);
    let before = index.checked_sub(1).map(|before| words[before]);
    let is_whole = |word: &&str| !word.is_empty() && word.bytes().all(|c| c.is_ascii_digit());
    let number: f64 = match before.filter(is_whole) {
        Some(whole) => format!("{whole}.{number}").parse().ok()?,
        None => number.parse().ok()?,
    };
    let factor = match unit {
        "mbps" => 1e6,
        "kbps" => 1e3,
        _ => return None,
    };
    // The range keeps the value in that of the cast.
    let rate = (number * factor).round();
    (1e3..=1e9).contains(&rate).then_some((rate as u64, unit == "kbps"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mediaconvert::resolve::with_presets;
    use crate::mediaconvert::settings::Settings;

    #[test]
    fn every_system_preset_makes_a_valid_output() {
        for name in NAMES {
            let (kind, member) = match settings(name).unwrap()["containerSettings"]["container"].as_str() {
                Some("M3U8") => ("HLS_GROUP_SETTINGS", "hlsGroupSettings"),
                Some("CMFC") => ("CMAF_GROUP_SETTINGS", "cmafGroupSettings"),
                Some("MPD") => ("DASH_ISO_GROUP_SETTINGS", "dashIsoGroupSettings"),
                _ => ("FILE_GROUP_SETTINGS", "fileGroupSettings"),
            };
            let mut group = json!({"type": kind});
            group[member] = json!({"destination": "s3://media/a"});
            let job = json!({
                "inputs": [{"fileInput": "s3://uploads/a.mp4"}],
                "outputGroups": [{"outputGroupSettings": group, "outputs": [{"preset": name}]}],
            });
            let resolved = with_presets(job, settings).unwrap();
            let (_, warnings) = Settings::parse(&resolved).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(warnings, Vec::<String>::new(), "{name}");
        }
    }

    #[test]
    fn name_tells_size_rates_and_codec() {
        let video = |name: &str| settings(name).unwrap()["videoDescription"].clone();
        let h264 = |name: &str| video(name)["codecSettings"]["h264Settings"].clone();
        let name = "System-Avc_16x9_270p_14_99fps_400kbps";
        assert_eq!((&video(name)["width"], &video(name)["height"]), (&json!(480), &json!(270)));
        assert_eq!(
            (&h264(name)["framerateNumerator"], &h264(name)["bitrate"]),
            (&json!(15_000), &json!(400_000))
        );
        assert_eq!(h264("System-Avc_16x9_720p_29_97fps_4_5Mbps")["bitrate"], 4_500_000);
        // A name without a frame rate.
        let following = h264("System-Ott_Hls_Ts_Avc_Aac_16x9_480x270p_0.4Mbps");
        assert_eq!(following["framerateControl"], "INITIALIZE_FROM_SOURCE");
        let cmaf = h264("System-Ott_Cmaf_Cmfc_Avc_16x9_Sdr_1280x720p_30Hz_5Mbps_Qvbr_Vq9");
        assert_eq!(
            (&cmaf["qvbrSettings"]["qvbrQualityLevel"], &cmaf["maxBitrate"]),
            (&json!(9), &json!(5_000_000))
        );
        for unknown in [
            "System-",
            "System-Xdcam_1080i",
            "Mine",
            "System-Avc_16x9_720p",
            "System-Avc_bps",
            "System-Avc_720p_0hz_1mbps",
        ] {
            assert_eq!(settings(unknown), None, "{unknown}");
        }
    }
}
