//! The playlists of a group, as its settings define them. Pure.

use super::plan::Group;
use super::playlists::hls::MediaOptions;
use super::playlists::{Track, dash, hls};
use super::settings::{DurationFormat, GroupKind, IncludeExclude, OutputSelection, S3Uri};

impl Group {
    /// Whether the group has playlists, and not segments alone.
    pub fn writes_playlists(&self) -> bool {
        let hls = &self.settings.output_group_settings.hls_group_settings;
        self.settings.kind() != GroupKind::Hls
            || hls.output_selection == OutputSelection::ManifestsAndSegments
    }

    /// Returns the playlists of the whole group with their addresses.
    pub fn playlists(&self, tracks: &[Track]) -> Vec<(String, S3Uri)> {
        if !self.writes_playlists() {
            return vec![];
        }
        let mut list: Vec<_> = self.master_playlist(tracks).into_iter().collect();
        if self.has_dash() {
            let settings = &self.settings.output_group_settings;
            let (min_buffer, base_url) = match self.settings.kind() {
                GroupKind::DashIso => {
                    let dash = &settings.dash_iso_group_settings;
                    (dash.min_buffer_time, dash.base_url.clone())
                }
                _ => {
                    let cmaf = &settings.cmaf_group_settings;
                    (cmaf.min_buffer_time, cmaf.base_url.clone())
                }
            };
            let options = dash::MpdOptions { min_buffer_ms: min_buffer.unwrap_or(30_000), base_url };
            list.push((dash::mpd(tracks, &options), self.uri(".mpd")));
        }
        list
    }

    /// Returns the HLS master playlist with its address; `None` without HLS.
    pub fn master_playlist(&self, tracks: &[Track]) -> Option<(String, S3Uri)> {
        let settings = &self.settings.output_group_settings;
        let resolution = match self.settings.kind() {
            GroupKind::Hls => settings.hls_group_settings.stream_inf_resolution,
            _ => settings.cmaf_group_settings.stream_inf_resolution,
        };
        let options = hls::MasterOptions { omit_resolution: resolution == IncludeExclude::Exclude };
        self.has_hls().then(|| (hls::master_playlist(tracks, options), self.uri(".m3u8")))
    }

    /// Returns what the group's media playlists say. `started_ms` is when the job started, since 1970.
    pub fn media_options(&self, started_ms: u64) -> MediaOptions {
        let settings = &self.settings.output_group_settings;
        if self.settings.kind() != GroupKind::Hls {
            let cmaf = &settings.cmaf_group_settings;
            return MediaOptions {
                integer_durations: cmaf.manifest_duration_format == DurationFormat::Integer,
                base_url: cmaf.base_url.clone().unwrap_or_default(),
                ..MediaOptions::default()
            };
        }
        let hls = &settings.hls_group_settings;
        let key = hls.encryption.as_ref().map(|encryption| {
            let provider = &encryption.static_key_provider;
            let attribute = |name: &str, value: &Option<String>| {
                let value = value.as_ref().filter(|value| !value.contains(['"', '\n', '\r']));
                value.map_or(String::new(), |value| format!(",{name}=\"{value}\""))
            };
            format!(
                "METHOD=AES-128,URI=\"{}\",IV=0x{}{}{}",
                provider.url,
                encryption.initialization_vector(),
                attribute("KEYFORMAT", &provider.key_format),
                attribute("KEYFORMATVERSIONS", &provider.key_format_versions)
            )
        });
        let dates = hls.program_date_time == Some(IncludeExclude::Include);
        MediaOptions {
            integer_durations: hls.manifest_duration_format == DurationFormat::Integer,
            base_url: hls.base_url.clone().unwrap_or_default(),
            key,
            program_date_time: dates.then(|| (started_ms, hls.program_date_time_period.unwrap_or(600))),
            ..MediaOptions::default()
        }
    }
}
