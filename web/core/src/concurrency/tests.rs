//! Tests of the limit, the timeout and the part size.

use super::*;
use wire::PartPlan;

/// The limit after a minute, and every limit until then, on a network whose throughput in bytes a millisecond
/// depends on the number of parts in flight.
fn limits(mut concurrency: Concurrency, throughput: impl Fn(usize) -> f64) -> (usize, Vec<usize>) {
    let mut history = vec![concurrency.limit()];
    for now in (0..60_000).step_by(20) {
        concurrency.record_progress(
            (throughput(concurrency.limit()) * 20.0) as u64,
            20 * concurrency.limit() as u64,
            concurrency.limit(),
            now,
        );
        if history.last() != Some(&concurrency.limit()) {
            history.push(concurrency.limit());
        }
    }
    (concurrency.limit(), history)
}

#[test]
fn limit_grows_while_throughput_grows() {
    let throughput = |n: usize| n as f64 * 1_000.0;
    let (end, history) = limits(Concurrency::new(None), throughput);
    assert_eq!((end, &history[..3]), (6, &[3, 4, 6][..]));
    assert!(history.len() <= 9, "lower limits are tried ever more seldom: {history:?}");
    let mut wide = Concurrency::new(None);
    wide.set_multiplexed();
    assert_eq!(limits(wide, throughput).1[..6], [3, 4, 6, 8, 11, 15]);
}

#[test]
fn limit_stays_low_where_more_parts_bring_nothing() {
    let (end, history) = limits(Concurrency::new(None), |_| 5_000.0);
    assert!(end <= 2, "one part fills the network: {history:?}");
    let (end, history) = limits(Concurrency::new(None), |n| n.min(4) as f64 * 500.0);
    assert!((3..=4).contains(&end), "{history:?}");
}

#[test]
fn long_round_trip_starts_with_the_maximum() {
    let mut concurrency = Concurrency::new(None);
    concurrency.record_round_trip(100);
    assert_eq!(concurrency.limit(), 6);
}

#[test]
fn burst_of_losses_halves_the_limit_once() {
    let mut concurrency = Concurrency::new(None);
    concurrency.record_round_trip(100);
    for now in [0, 10, 1_999] {
        concurrency.record_loss(now);
    }
    assert_eq!(concurrency.limit(), 3);
    concurrency.record_loss(2_000);
    concurrency.record_loss(9_000);
    assert_eq!(concurrency.limit(), 1);
}

#[test]
fn limit_recovers_from_a_loss_within_seconds() {
    let mut concurrency = Concurrency::new(None);
    concurrency.record_round_trip(100);
    for now in (0..600_000).step_by(20) {
        concurrency.record_progress(concurrency.limit() as u64 * 20_000, 0, concurrency.limit(), now);
    }
    for now in [600_000, 603_000] {
        concurrency.record_loss(now);
    }
    for now in (603_000..612_000).step_by(20) {
        concurrency.record_progress(concurrency.limit() as u64 * 20_000, 0, concurrency.limit(), now);
    }
    assert!(concurrency.limit() >= 3, "{}", concurrency.limit());
}

#[test]
fn outage_does_not_change_the_stall_timeout() {
    let mut concurrency = Concurrency::new(Some(4));
    for now in (0..20_000).step_by(20) {
        concurrency.record_progress(200_000, 0, 4, now);
    }
    let before = concurrency.stall_timeout_ms();
    for now in (9_000_000..9_010_000).step_by(20) {
        concurrency.record_progress(200_000, 0, 4, now);
        assert_eq!(concurrency.stall_timeout_ms(), before);
    }
}

#[test]
fn fixed_limit_never_changes() {
    let mut concurrency = Concurrency::new(Some(2));
    concurrency.record_round_trip(1_000);
    concurrency.set_multiplexed();
    concurrency.record_loss(0);
    assert_eq!(limits(concurrency, |n| n as f64 * 1_000.0), (2, vec![2]));
    assert_eq!(Concurrency::new(Some(0)).limit(), 1);
}

#[test]
fn limit_stays_while_it_is_not_reached() {
    let mut concurrency = Concurrency::new(None);
    for now in (0..60_000).step_by(20) {
        concurrency.record_progress(1 << 20, 0, 2, now);
    }
    assert_eq!(concurrency.limit(), 3);
}

#[test]
fn stall_timeout_depends_on_the_speed() {
    let timeout_ms = |bytes_per_ms: f64| {
        let mut concurrency = Concurrency::new(Some(4));
        for now in (0..20_000).step_by(20) {
            concurrency.record_progress((bytes_per_ms * 20.0) as u64, 0, 4, now);
        }
        concurrency.stall_timeout_ms()
    };
    assert_eq!(Concurrency::new(None).stall_timeout_ms(), 60_000);
    assert!(timeout_ms(100_000.0) < 15_300);
    let slow = timeout_ms(100.0);
    assert!((150_000..200_000).contains(&slow), "buffers of 16 MiB take that long at 100 kB/s: {slow}");
    assert_eq!(timeout_ms(2.0), 300_000);
}

#[test]
fn part_size_depends_on_the_file_size() {
    let sizes = [1, 128 * MIB, 256 * MIB, 300 * MIB, 1 << 40].map(|size| part_size(size, 0.0));
    assert_eq!(sizes, [8 * MIB, 11 * MIB, 22 * MIB, 25 * MIB, 32 * MIB]);
    let fast = [1, 128 * MIB, 256 * MIB, 1 << 40].map(|size| part_size(size, FAST_BYTES_PER_MS));
    assert_eq!(fast, [8 * MIB, 22 * MIB, 43 * MIB, 64 * MIB]);
    for size in sizes {
        assert!(PartPlan::new(1, Some(size)).is_ok());
    }
}

#[test]
fn fixed_limit_is_from_one_to_a_hundred() {
    for (fixed, limit) in [(0, 1), (1, 1), (6, 6), (100, 100), (u32::MAX, 100)] {
        assert_eq!(Concurrency::new(Some(fixed)).limit(), limit);
    }
}
