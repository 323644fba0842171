//! What a seed draws: the file, the store, the line, and everything that goes wrong. All of it passes in the
//! end, so that each run can end.

use crate::cloud::Habits;
use crate::dice::Dice;
use wire::MIB;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// How likely each fault is for one request, in permille.
#[derive(Clone, Debug, Default)]
pub struct Odds {
    /// The connection is reset somewhere on the way.
    pub reset: u32,
    /// It stops somewhere on the way, and nobody says so.
    pub hang: u32,
    /// It is carried out, and nobody hears of it.
    pub unheard: u32,
    /// The store asks for less, and after how many milliseconds to come back.
    pub slow_down: u32,
    pub wish_ms: u32,
    pub store_error: u32,
    pub store_refusal: u32,
    /// 404 though the upload is there.
    pub store_denial: u32,
    /// A byte changes on the way.
    pub flip: u32,
    pub edge_error: u32,
    pub edge_throttle: u32,
    pub edge_expired: u32,
    pub edge_garbage: u32,
    /// Headers that CORS hides.
    pub hidden_etag: u32,
    pub hidden_checksum: u32,
}

/// Something that happens at its time.
#[derive(Clone, Copy, Debug)]
pub enum Deed {
    /// The network is away; whether the browser says so, and says when it is back.
    Offline {
        ms: u64,
        told: bool,
        told_back: bool,
    },
    /// All connections are reset at once.
    Reset,
    /// The line is so many times as slow.
    Slow {
        times: u64,
        ms: u64,
    },
    /// The machine sleeps.
    Sleep {
        ms: u64,
    },
    /// Somebody sets the clock.
    SetClock {
        by: i64,
    },
    Pause {
        ms: u64,
    },
    Cancel,
    /// The page is gone; the last notes weren't written, or somebody clears all. It comes back later.
    Reload {
        forgets: usize,
        clears: bool,
        after_ms: u64,
    },
    /// The file is written to; whether reading it tells.
    Change {
        told: bool,
    },
    /// The file can't be read any more.
    Unreadable,
    /// The upload is removed at S3.
    Vanish,
    StoreDown {
        ms: u64,
    },
    EdgeDown {
        ms: u64,
    },
    /// The signer's clock is wrong.
    Skew {
        ms: u64,
    },
}

/// All that a seed draws.
#[derive(Clone, Debug)]
pub struct Weather {
    pub size: u64,
    pub part_size: u64,
    pub at_once: Option<u32>,
    /// The checksum option.
    pub checks: bool,
    pub habits: Habits,
    pub latency_ms: u64,
    /// Of the whole line, in bytes a millisecond.
    pub bandwidth: u64,
    /// Of one connection, in bytes a millisecond.
    pub each: u64,
    pub hash_rate: u64,
    pub multiplexed: bool,
    /// The browser tells how far a request is about every so many milliseconds.
    pub beat_ms: u64,
    /// Bytes that the kernel takes without sending them yet.
    pub buffer: u64,
    /// S3 answers SlowDown to more than so many at once.
    pub store_limit: usize,
    /// Wakeups come so much late at most.
    pub timer_lag: u64,
    /// The clock that is never set stands still in a sleep.
    pub sleep_stops_now: bool,
    /// There is a place for notes.
    pub remembers: bool,
    pub odds: Odds,
    pub deeds: Vec<(u64, Deed)>,
    /// No fault begins after this.
    pub calm_at: u64,
}

impl Weather {
    pub fn draw(dice: &mut Dice) -> Self {
        let mut weather = Self::line(dice);
        // As long as it takes when all goes well.
        let span = weather.size / weather.bandwidth.min(weather.each * 4) + 20 * weather.latency_ms;
        let kinds = match dice.below(20) {
            0 => 0,
            1..8 => 1,
            8..13 => 2,
            13..18 => 4,
            _ => 9,
        };
        for _ in 0..kinds {
            weather.worsen(dice, span);
        }
        weather.calm_at = match weather.deeds.iter().map(|(at, deed)| at + deed.ms()).max() {
            Some(last) => (last + MINUTE).max(span * 3 + 10 * MINUTE),
            None => span * 3 + 10 * MINUTE,
        };
        weather
    }

    /// A file and a line, and nothing that goes wrong.
    pub fn line(dice: &mut Dice) -> Self {
        let parts = match dice.below(4_000) {
            0 => dice.between(1_001, 10_001),
            1..10 => dice.between(100, 400),
            10..400 => dice.between(12, 40),
            400..1_000 => 1,
            _ => dice.between(1, 13),
        };
        let part_size = if dice.hits(20) { dice.between(5, 600) } else { dice.between(5, 33) } * MIB;
        let size = match dice.below(8) {
            0 => dice.between(1, part_size),
            1 => parts * part_size,
            _ => (parts - 1) * part_size + dice.between(1, part_size + 1),
        };
        let lasts = dice.magnitude(500, if parts > 40 { 600 } else { 300 } * SECOND);
        let bandwidth = (size / lasts).max(10);
        Self {
            size,
            part_size,
            at_once: if dice.hits(300) { Some(dice.magnitude(1, 64) as u32) } else { None },
            checks: dice.hits(850),
            habits: Habits {
                checks: dice.hits(850),
                lists_checks: dice.hits(700),
                verifies_whole: dice.coin(),
                etags_repeat: dice.coin(),
                one_key: dice.hits(200),
                url_life_ms: dice.magnitude(MINUTE, 12 * HOUR),
                tells_life: dice.hits(900),
            },
            latency_ms: dice.magnitude(1, 600),
            bandwidth,
            each: (bandwidth / dice.magnitude(1, 10)).max(10),
            hash_rate: (bandwidth * dice.magnitude(3, 300) / 10).max(1),
            beat_ms: if parts < 5 && dice.hits(100) { 200 } else { 4_000 },
            multiplexed: dice.hits(250),
            buffer: if dice.coin() { 0 } else { dice.magnitude(1, 8 * MIB) },
            store_limit: usize::MAX,
            timer_lag: if dice.hits(100) { MINUTE } else { 20 },
            sleep_stops_now: dice.coin(),
            remembers: dice.hits(950),
            odds: Odds::default(),
            deeds: Vec::new(),
            calm_at: 0,
        }
    }

    /// Ten megabytes a second for a file of so many parts of 8 MiB: four connections fill the line.
    pub fn steady(parts: u64) -> Self {
        let mut weather = Self::line(&mut Dice::new(0));
        weather.size = parts * 8 * MIB - 5;
        weather.part_size = 8 * MIB;
        weather.at_once = None;
        weather.checks = true;
        weather.habits = Habits {
            checks: true,
            lists_checks: true,
            verifies_whole: true,
            etags_repeat: true,
            one_key: false,
            url_life_ms: HOUR,
            tells_life: true,
        };
        (weather.latency_ms, weather.bandwidth, weather.each, weather.hash_rate) =
            (30, 10_000, 2_500, 500_000);
        (weather.multiplexed, weather.buffer, weather.timer_lag) = (false, 64 * 1024, 20);
        (weather.remembers, weather.calm_at, weather.beat_ms) = (true, 30 * DAY, 100);
        weather
    }

    fn worsen(&mut self, dice: &mut Dice, span: u64) {
        let at = dice.below(span * 5 / 4);
        let often = dice.magnitude(10, 600) as u32;
        let odds = &mut self.odds;
        let deed = match dice.below(29) {
            0 => return odds.reset = often,
            1 => return odds.hang = often / 3,
            2 => return odds.unheard = often,
            3 => {
                (odds.slow_down, odds.wish_ms) =
                    (often, if dice.coin() { 0 } else { dice.magnitude(1_000, 200_000) as u32 });
                return;
            }
            4 => return odds.store_error = often,
            5 => return odds.store_refusal = often / 2,
            6 => return odds.store_denial = often / 4,
            7 => return odds.flip = often,
            8 => return odds.edge_error = often * 2,
            9 => return odds.edge_throttle = often,
            10 => return odds.edge_expired = often,
            11 => return odds.edge_garbage = often,
            12 => {
                let all = dice.coin();
                odds.hidden_etag = if all { 1_000 } else { often };
                odds.hidden_checksum = if dice.coin() { odds.hidden_etag } else { 0 };
                return;
            }
            13 => return odds.hidden_checksum = 1_000,
            14 => return self.store_limit = dice.between(1, 8) as usize,
            15 | 16 => {
                let ms = if dice.hits(40) {
                    dice.magnitude(HOUR, 14 * HOUR)
                } else {
                    dice.magnitude(300, 10 * MINUTE)
                };
                let told = dice.coin();
                Deed::Offline { ms, told, told_back: told && dice.hits(800) }
            }
            17 => {
                let longest = dice.either(50, 8 * DAY, 14 * HOUR);
                Deed::Sleep { ms: dice.magnitude(SECOND, longest) }
            }
            18 => {
                let by = dice.magnitude(SECOND, 400 * DAY) as i64;
                Deed::SetClock { by: if dice.coin() { by } else { -by } }
            }
            19 => {
                let longest = dice.either(100, 3 * DAY, HOUR);
                Deed::Pause { ms: dice.magnitude(10, longest) }
            }
            20 => Deed::Cancel,
            21 | 22 => {
                let longest = dice.either(100, 8 * DAY, HOUR);
                let after_ms = dice.magnitude(100, longest);
                Deed::Reload { forgets: dice.below(4) as usize, clears: dice.hits(50), after_ms }
            }
            23 => match dice.below(4) {
                0 => Deed::Unreadable,
                told => Deed::Change { told: told == 1 },
            },
            24 => Deed::Vanish,
            25 => Deed::Reset,
            26 | 27 => Deed::Slow { times: dice.magnitude(2, 300), ms: dice.magnitude(SECOND, 20 * MINUTE) },
            _ => match dice.below(3) {
                0 => Deed::StoreDown { ms: dice.magnitude(SECOND, HOUR) },
                1 => Deed::EdgeDown { ms: dice.magnitude(SECOND, HOUR) },
                _ => Deed::Skew { ms: dice.magnitude(SECOND, 10 * MINUTE) },
            },
        };
        self.deeds.push((at, deed));
    }

    /// How long a whole upload takes here at least, in milliseconds.
    pub fn ideal_ms(&self) -> u64 {
        let connections = self.at_once.map_or(3, |n| u64::from(n.min(6)));
        let one_part = self.part_size.min(self.size) / self.each.min(self.bandwidth);
        // A preflight, the way there, the way back.
        let ways = self.size / self.part_size * self.latency_ms * 5 / connections;
        self.size / self.bandwidth.min(self.each * connections) + one_part + ways + self.size / self.hash_rate
    }

    /// Whether the client's clocks tell how much time has passed.
    pub fn sane_clocks(&self) -> bool {
        self.habits.tells_life && !self.deeds.iter().any(|(_, deed)| matches!(deed, Deed::SetClock { .. }))
    }

    pub fn does(&self, is: impl Fn(&Deed) -> bool) -> bool {
        self.deeds.iter().any(|(_, deed)| is(deed))
    }

    /// Somebody refuses often enough, or for long enough, that giving up for now is no fault. A line that is
    /// away, however long, is no such thing; one that lets no part through while the edge answers is.
    pub fn may_tire(&self) -> bool {
        let Odds { slow_down, store_error, store_refusal, store_denial, edge_error, edge_throttle, .. } =
            self.odds;
        let Odds { edge_expired, edge_garbage, flip, .. } = self.odds;
        let refusals = [slow_down, store_error, store_refusal, store_denial, edge_error, edge_throttle];
        refusals.iter().chain(&[edge_expired, edge_garbage, flip]).any(|odds| *odds > 0)
            || self.odds.reset + self.odds.hang + self.odds.unheard > 400
            || self.store_limit < usize::MAX
            || self.does(|deed| {
                matches!(
                    deed,
                    Deed::StoreDown { .. } | Deed::EdgeDown { .. } | Deed::Skew { .. } | Deed::Vanish
                )
            })
    }
}

impl Deed {
    /// How long it lasts.
    pub fn ms(&self) -> u64 {
        match *self {
            Self::Offline { ms, .. }
            | Self::Slow { ms, .. }
            | Self::Sleep { ms }
            | Self::Pause { ms }
            | Self::StoreDown { ms }
            | Self::EdgeDown { ms }
            | Self::Skew { ms } => ms,
            Self::Reload { after_ms, .. } => after_ms,
            Self::SetClock { .. }
            | Self::Reset
            | Self::Cancel
            | Self::Change { .. }
            | Self::Unreadable
            | Self::Vanish => 0,
        }
    }
}
