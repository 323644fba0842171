//! Random events in random order: the machine never panics, never spins, and its wakeup is always in the future.

use super::*;
use proptest::prelude::*;

fn kinds() -> impl Strategy<Value = ErrorKind> {
    use ErrorKind::*;
    let all = [
        Network,
        Stalled,
        Throttled,
        Server,
        Expired,
        ClockSkew,
        ChecksumMismatch,
        StorageFull,
        FileChanged,
        FileUnreadable,
        Blocked,
        UploadGone,
        Permanent,
    ];
    proptest::sample::select(all.to_vec())
}

fn tasks() -> impl Strategy<Value = Task> {
    prop_oneof![
        Just(Task::Open),
        Just(Task::Sign),
        (0..7u32).prop_map(Task::Hash),
        (0..7u32).prop_map(Task::Put),
        Just(Task::List),
        Just(Task::Complete),
        Just(Task::Abort),
    ]
}

fn presigned_parts() -> impl Strategy<Value = Vec<PresignedPart>> {
    let one = (0..9u32, proptest::option::of(0..100_000u64))
        .prop_map(|(part, ttl_ms)| PresignedPart { ttl_ms, ..presigned(part) });
    proptest::collection::vec(one, 0..6)
}

fn listings() -> impl Strategy<Value = Listing> {
    let states = [
        wire::MultipartState::Open,
        wire::MultipartState::Open,
        wire::MultipartState::Completed,
        wire::MultipartState::Aborted,
    ];
    (proptest::sample::select(states.to_vec()), proptest::collection::vec(0..9u32, 0..6))
        .prop_map(|(state, parts)| Listing { state, parts: parts.into_iter().map(listed).collect() })
}

fn events() -> impl Strategy<Value = Event> {
    let opened = |parts| OpenedUpload { parts, ..TestDriver::new(6, None).opened() };
    let stored = |size: u64, crc| TestDriver::new(6, None).stored(crc).size.wrapping_sub(size);
    prop_oneof![
        presigned_parts().prop_map(move |presigned| Event::Opened(opened(presigned))),
        presigned_parts().prop_map(Event::Signed),
        (0..9u32, 0..9u32)
            .prop_map(|(part, of)| Event::Hashed { part, crc64: crc_of(if of < 7 { part } else { of }) }),
        (0..9u32, any::<u64>()).prop_map(|(part, bytes)| Event::Progress { part, bytes }),
        (0..9u32, any::<bool>()).prop_map(|(part, multiplexed)| Event::Uploaded { part, multiplexed }),
        proptest::collection::vec(0..9u32, 0..4).prop_map(Event::PartsMissing),
        listings().prop_map(Event::Listed),
        (0..2u64).prop_map(move |size| {
            let driver = TestDriver::new(6, None);
            Event::Completed(StoredFile {
                size: stored(size, None),
                ..driver.stored(Some(driver.file_checksum()))
            })
        }),
        Just(Event::Aborted),
        (tasks(), kinds()).prop_map(|(task, kind)| Event::Failed { task, error: error(kind) }),
        (tasks(), kinds()).prop_map(|(task, kind)| Event::Failed { task, error: error(kind) }),
        any::<bool>().prop_map(Event::Online),
        any::<bool>().prop_map(Event::Paused),
        Just(Event::Canceled),
    ]
}

fn saved_states() -> impl Strategy<Value = SavedState> {
    let stored = TestDriver::new(6, None).stored(None);
    proptest::sample::select(vec![
        SavedState::Open,
        SavedState::Open,
        SavedState::Open,
        SavedState::Stored(stored),
        SavedState::Canceled,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn random_events_never_panic_nor_spin(
        saved_parts in proptest::option::of((proptest::collection::vec(0..9u32, 0..9), saved_states())),
        fixed in proptest::option::of(any::<u32>()),
        steps in proptest::collection::vec((events(), 0..40_000u64, 0..40_000u64, any::<bool>()), 1..80),
    ) {
        let saved = saved_parts.map(|(parts, state)| SavedUpload { state, ..saved_upload(parts) });
        let mut driver = TestDriver::with_concurrency(6, saved, fixed);
        driver.hashes = false;
        let (mut reported, mut ended) = (0, false);
        // Mostly responses to its commands: otherwise little would happen.
        let mut commands = Vec::new();
        for (event, now, wall, responds) in steps {
            for command in driver.commands() {
                prop_assert!(!ended, "{command:?} after the end");
                ended |= matches!(command, Command::Finish(_) | Command::RejectSaved);
                commands.push(command);
                prop_assert!(commands.len() < 5_000);
            }
            prop_assert!(driver.machine.wakeup_ms().is_none_or(|wake| wake > driver.now && !ended));
            if let Some(report) = driver.machine.progress(driver.now) {
                prop_assert!(report.sent >= reported && report.sent <= report.total);
                reported = report.sent;
            }
            (driver.now, driver.wall) = (driver.now + now, (driver.wall + wall).saturating_sub(20_000));
            let response = match commands.pop() {
                Some(Command::Open { .. }) if responds => Some(Event::Opened(driver.opened())),
                Some(Command::Sign(parts)) if responds => {
                    Some(Event::Signed(parts.iter().map(|part| presigned(part.part)).collect()))
                }
                Some(Command::Hash(part)) => Some(Event::Hashed { part, crc64: crc_of(part) }),
                Some(Command::Put(PresignedPart { part, .. })) if responds => {
                    Some(Event::Uploaded { part, multiplexed: false })
                }
                _ => None,
            };
            let may_cancel = !matches!(event, Event::Canceled | Event::Failed { .. }) || !responds;
            driver.send(response.unwrap_or(if may_cancel { event } else { Event::Online(true) }));
        }
    }
}
