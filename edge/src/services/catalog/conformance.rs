//! The conformance suite that every implementation of [`Catalog`] must pass.

use super::*;
use wire::VideoStatus;

/// Runs all tests of the suite on an empty catalog.
pub async fn run(catalog: &dyn Catalog) {
    add_never_overwrites(catalog).await;
    open_uploads_are_limited_per_owner(catalog).await;
    final_state_and_progress_never_regress(catalog).await;
    delete_open_keeps_stored_videos(catalog).await;
    list_returns_own_videos_newest_first(catalog).await;
    list_stale_returns_unfinished_stalest_first(catalog).await;
    claim_is_exclusive_until_its_lease_ends(catalog).await;
    completed_claim_returns_the_outcome(catalog).await;
    concurrent_writes_are_not_lost(catalog).await;
    upload_started_over_survives_the_abort_of_its_predecessor(catalog).await;
    daily_usage_is_limited_per_owner(catalog).await;
    deleted_video_is_hidden_and_stale_until_it_is_erased(catalog).await;
    claim_of_another_object_leaves_the_video_alone(catalog).await;
}

const MANY: OwnerLimits = open_uploads(100);

const fn open_uploads(open_uploads: u32) -> OwnerLimits {
    OwnerLimits { open_uploads, daily: DailyLimits { bytes: None, videos: None, duration_ms: None } }
}

fn record(id: &str, owner: &str, created_ms: u64) -> VideoRecord {
    VideoRecord::new(id, owner, 5, created_ms)
}

fn uploaded() -> VideoTransition {
    VideoTransition::Uploaded { size: 5 }
}

async fn add_never_overwrites(catalog: &dyn Catalog) {
    assert_eq!(catalog.get("add").await.unwrap(), None);
    assert_eq!(catalog.add(record("add", "anna", 1), MANY).await.unwrap(), AddOutcome::Added);
    let AddOutcome::Exists(existing) = catalog.add(record("add", "bob", 2), MANY).await.unwrap() else {
        panic!()
    };
    assert_eq!(existing.owner, "anna");
    assert_eq!(catalog.get("add").await.unwrap(), Some(*existing));
}

async fn final_state_and_progress_never_regress(catalog: &dyn Catalog) {
    assert_eq!(catalog.apply("unknown", uploaded(), 1).await.unwrap(), None);
    catalog.add(record("change", "anna", 1), MANY).await.unwrap();
    let progress = |percent| VideoTransition::Progress { job_id: "j".into(), percent };
    catalog.apply("change", progress(40), 2).await.unwrap();
    let back = catalog.apply("change", progress(10), 3).await.unwrap().unwrap();
    assert_eq!((back.progress, back.status), (40, VideoStatus::Converting));
    let canceled =
        catalog.apply("change", VideoTransition::Canceled { job_id: "j".into() }, 4).await.unwrap();
    let late = catalog.apply("change", progress(99), 5).await.unwrap();
    assert_eq!(late, canceled, "a final state stays");
    assert_eq!(catalog.get("change").await.unwrap(), late);
}

async fn delete_open_keeps_stored_videos(catalog: &dyn Catalog) {
    for id in ["delete", "keep"] {
        catalog.add(record(id, "anna", 1), MANY).await.unwrap();
    }
    catalog.apply("keep", uploaded(), 2).await.unwrap();
    for id in ["delete", "keep", "unknown"] {
        catalog.delete_open(id, None).await.unwrap();
    }
    assert_eq!(catalog.get("delete").await.unwrap(), None);
    assert!(catalog.get("keep").await.unwrap().is_some());
}

async fn list_returns_own_videos_newest_first(catalog: &dyn Catalog) {
    for (id, owner, at) in [("l1", "lena", 10), ("l2", "lena", 20), ("l3", "lena", 20), ("m1", "max", 15)] {
        catalog.add(record(id, owner, at), MANY).await.unwrap();
    }
    let ids = async |limit, from| -> Vec<String> {
        let page = catalog.list("lena", limit, from).await.unwrap();
        page.into_iter().map(|record| record.video_id).collect()
    };
    assert_eq!(ids(2, None).await, ["l3", "l2"]);
    let cursor = Cursor { created_ms: 20, video_id: "l2".into() };
    assert_eq!(ids(2, Some(cursor)).await, ["l1"]);
    assert!(catalog.list("unknown", 9, None).await.unwrap().is_empty());
}

async fn open_uploads_are_limited_per_owner(catalog: &dyn Catalog) {
    let add =
        async |id: &str, owner: &str, at| catalog.add(record(id, owner, at), open_uploads(2)).await.unwrap();
    assert_eq!(add("o1", "otto", 1).await, AddOutcome::Added);
    assert_eq!(add("o2", "otto", 2).await, AddOutcome::Added);
    assert_eq!(add("o3", "otto", 3).await, AddOutcome::TooManyOpen);
    assert_eq!(catalog.get("o3").await.unwrap(), None);
    assert_eq!(add("p1", "paula", 3).await, AddOutcome::Added, "the limit is per owner");
    catalog.apply("o1", uploaded(), 4).await.unwrap();
    assert_eq!(add("o4", "otto", 5).await, AddOutcome::Added, "one is no longer open");
    let mut stored = record("o0", "otto", 5);
    stored.apply(uploaded(), 5);
    assert_eq!(
        catalog.add(stored, open_uploads(2)).await.unwrap(),
        AddOutcome::Added,
        "a stored video isn't an open upload"
    );
    catalog.delete_open("o0", None).await.unwrap();
    assert!(catalog.get("o0").await.unwrap().is_some());
    catalog.delete_open("o2", None).await.unwrap();
    assert_eq!(add("o5", "otto", 6).await, AddOutcome::Added, "one was aborted");
    let later = UPLOAD_LIFETIME_SECS * 1000 + 100;
    assert_eq!(add("o6", "otto", later).await, AddOutcome::Added, "the others have expired");
}

async fn list_stale_returns_unfinished_stalest_first(catalog: &dyn Catalog) {
    let far = 9_000_000_000_000;
    let stale = async |before: u64| -> Vec<String> {
        let mut records = catalog.list_stale(0..before, 1_000).await.unwrap();
        records.retain(|record| record.owner == "dora");
        records.into_iter().map(|record| record.video_id).collect()
    };
    for (id, at) in [("d1", 30), ("d2", 10), ("d3", 20), ("d4", 5), ("d5", 5), ("open", 1)] {
        let announced = id != "d5";
        catalog.add(VideoRecord { announced, ..record(id, "dora", at) }, MANY).await.unwrap();
        if id != "open" {
            catalog.apply(id, uploaded(), at + 1).await.unwrap();
        }
    }
    for id in ["d4", "d5"] {
        catalog.apply(id, VideoTransition::Canceled { job_id: "j".into() }, 7).await.unwrap();
    }
    assert_eq!(stale(far).await, ["d5", "d2", "d3", "d1", "open"], "d4 is done, d5 not announced");
    assert_eq!(stale(25).await, ["d5", "d2", "d3"], "an open upload becomes stale later");
    catalog.apply("d5", VideoTransition::Announced, 8).await.unwrap();
    assert_eq!(stale(21).await, ["d2"]);
    let page = async |from| -> Vec<String> {
        let page = catalog.list_stale(from..far, 2).await.unwrap();
        page.into_iter().map(|record| record.video_id).collect()
    };
    assert_eq!(page(8).await, ["d2", "d3"]);
    assert_eq!(page(21).await, ["d3", "d1"], "a page begins where the one before ended");
    catalog.apply("d2", VideoTransition::Checked, 40).await.unwrap();
    assert_eq!(stale(41).await, ["d3", "d1", "d2"], "a running job is stale again later");
}

fn object(id: &str, etag: &str) -> ObjectVersion {
    ObjectVersion { bucket: "b".into(), key: format!("inputs/{id}.mp4"), etag: etag.into(), attempt: 0 }
}

/// Claims with a new record, as for a video that isn't in the catalog.
async fn claim(catalog: &dyn Catalog, id: &str, etag: &str, now: u64) -> Claim {
    catalog.claim(object(id, etag), record(id, "", now), now).await.unwrap()
}

fn granted(claim: Claim) -> Lease {
    match claim {
        Claim::Granted(lease) => *lease,
        other => panic!("{other:?}"),
    }
}

async fn claim_is_exclusive_until_its_lease_ends(catalog: &dyn Catalog) {
    let first = granted(claim(catalog, "c", "1", 1_000).await);
    assert_eq!((first.is_retry, &*first.record.video_id), (false, "c"));
    assert_eq!(catalog.get("c").await.unwrap(), Some(first.record), "the claim adds the video");
    assert_eq!(claim(catalog, "c", "1", 1_001).await, Claim::Busy);
    assert!(!granted(claim(catalog, "c", "2", 1_001).await).is_retry, "another version");
    let lease = granted(claim(catalog, "c", "1", 1_000 + LEASE_MS).await);
    assert!(lease.is_retry, "its holder didn't complete it");
    catalog.release_claim(&lease).await.unwrap();
    let lease = granted(claim(catalog, "c", "1", 1_001).await);
    assert!(lease.is_retry, "released");
    catalog.complete_claim(lease, uploaded(), 2_000).await.unwrap();
    assert!(matches!(claim(catalog, "c", "1", u64::MAX / 4).await, Claim::Completed(_)));
}

async fn completed_claim_returns_the_outcome(catalog: &dyn Catalog) {
    catalog.add(record("s", "sara", 1), MANY).await.unwrap();
    let lease = granted(claim(catalog, "s", "1", 2).await);
    assert_eq!(lease.record.owner, "sara");
    catalog.delete_open("s", None).await.unwrap();
    // An event of the job is handled before the claim is completed.
    let early = VideoTransition::Progress { job_id: "j".into(), percent: 30 };
    catalog.apply("s", early, 3).await.unwrap().unwrap();
    let started = VideoTransition::JobStarted {
        job_id: "j".into(),
        duration_ms: Some(9),
        width: Some(16),
        height: Some(9),
    };
    let record = catalog.complete_claim(lease, started, 4).await.unwrap();
    assert_eq!((record.progress, record.width, &*record.owner), (30, Some(16), "sara"));
    assert_eq!(catalog.get("s").await.unwrap().as_ref(), Some(&record));
    assert_eq!(claim(catalog, "s", "1", 5).await, Claim::Completed(Box::new(record)));
}

async fn concurrent_writes_are_not_lost(catalog: &dyn Catalog) {
    catalog.add(record("race", "rita", 1), MANY).await.unwrap();
    let progress = |percent| {
        catalog.apply("race", VideoTransition::Progress { job_id: "j".into(), percent }, u64::from(percent))
    };
    let (a, b, c, d) = tokio::join!(progress(10), progress(40), progress(20), progress(30));
    for outcome in [a, b, c, d] {
        outcome.unwrap();
    }
    assert_eq!(catalog.get("race").await.unwrap().unwrap().progress, 40);
    // Concurrent, so that only one of the two stays within the limit.
    let add = |id| catalog.add(record(id, "ruth", 1), open_uploads(1));
    let (one, other) = tokio::join!(add("r1"), add("r2"));
    let outcomes = [one.unwrap(), other.unwrap()];
    assert!(
        outcomes.contains(&AddOutcome::Added) && outcomes.contains(&AddOutcome::TooManyOpen),
        "{outcomes:?}"
    );
}

async fn upload_started_over_survives_the_abort_of_its_predecessor(catalog: &dyn Catalog) {
    let first = VideoRecord { s3_upload: Some("a".into()), ..record("over", "olga", 1) };
    catalog.add(first, MANY).await.unwrap();
    let restart = |from: &str, to: &str| VideoTransition::Restarted {
        from: Some(from.into()),
        s3_upload: to.into(),
        size: 5,
    };
    let (one, other) = tokio::join!(
        catalog.apply("over", restart("a", "b"), 2),
        catalog.apply("over", restart("a", "c"), 2)
    );
    let now = catalog.get("over").await.unwrap().unwrap().s3_upload.unwrap();
    for outcome in [one, other] {
        assert_eq!(outcome.unwrap().unwrap().s3_upload.as_ref(), Some(&now), "only one of both replaces it");
    }
    catalog.delete_open("over", Some("a")).await.unwrap();
    assert!(catalog.get("over").await.unwrap().is_some());
    catalog.delete_open("over", Some(&now)).await.unwrap();
    assert_eq!(catalog.get("over").await.unwrap(), None);
}

async fn daily_usage_is_limited_per_owner(catalog: &dyn Catalog) {
    const DAY_MS: u64 = 86_400_000;
    let daily = DailyLimits { bytes: Some(10), videos: Some(3), duration_ms: Some(60) };
    let limits = OwnerLimits { daily, ..MANY };
    let add = async |id: &str, owner: &str, bytes, at| {
        let counted = Usage { bytes, videos: 1, duration_ms: 0 };
        let s3_upload = Some("a".into());
        let record = VideoRecord { counted, s3_upload, ..record(id, owner, at) };
        catalog.add(record, limits).await.unwrap()
    };
    assert_eq!(add("u1", "uli", 6, 1).await, AddOutcome::Added);
    assert_eq!(add("u2", "uli", 5, 2).await, AddOutcome::OverDailyLimit);
    assert_eq!(catalog.get("u2").await.unwrap(), None);
    assert_eq!(add("v1", "vera", 11, 2).await, AddOutcome::OverDailyLimit, "more than a day's bytes at once");
    assert_eq!(add("v1", "vera", 10, 2).await, AddOutcome::Added, "the limit is per owner");
    assert_eq!(add("u3", "uli", 4, 3).await, AddOutcome::Added);
    assert_eq!(add("u4", "uli", 0, 4).await, AddOutcome::Added);
    assert_eq!(add("u5", "uli", 0, 5).await, AddOutcome::OverDailyLimit, "three videos a day");
    assert_eq!(add("u5", "uli", 10, DAY_MS).await, AddOutcome::Added, "the next day");
    let within = async |id, transition, at| catalog.apply_within(id, transition, daily, at).await.unwrap();
    let restart = |size| VideoTransition::Restarted { from: Some("a".into()), s3_upload: "b".into(), size };
    assert_eq!(within("u3", restart(5), 6).await, ApplyOutcome::OverDailyLimit, "one byte more");
    assert_eq!(catalog.get("u3").await.unwrap().unwrap().s3_upload.as_deref(), Some("a"));
    assert!(
        matches!(within("u3", restart(4), 6).await, ApplyOutcome::Applied(_)),
        "its bytes are counted already"
    );
    let counted = |duration_ms| VideoTransition::Counted { duration_ms };
    for _ in 0..2 {
        let outcome = within("u1", counted(60), 7).await;
        assert!(matches!(outcome, ApplyOutcome::Applied(_)), "a repetition isn't counted: {outcome:?}");
    }
    assert_eq!(within("u3", counted(1), 8).await, ApplyOutcome::OverDailyLimit);
    assert_eq!(within("unknown", counted(1), 8).await, ApplyOutcome::NotFound);
    assert!(catalog.apply("u3", counted(1), 8).await.unwrap().is_some(), "without limits");
}

async fn deleted_video_is_hidden_and_stale_until_it_is_erased(catalog: &dyn Catalog) {
    let add = async |id: &str, at| {
        let record = VideoRecord { title: Some("t".into()), ..record(id, "gesa", at) };
        assert_eq!(catalog.add(record, open_uploads(1)).await.unwrap(), AddOutcome::Added, "{id}");
    };
    add("g1", 1).await;
    let lease = granted(claim(catalog, "g1", "1", 2).await);
    catalog.complete_claim(lease, uploaded(), 3).await.unwrap();
    catalog.apply("g1", VideoTransition::Canceled { job_id: "j".into() }, 4).await.unwrap();
    add("g2", 5).await;
    let stale = async || -> Vec<String> {
        let records = catalog.list_stale(0..9_000_000_000_000, 1_000).await.unwrap();
        let own = records.into_iter().filter(|record| record.owner == "gesa" && record.is_deleted());
        own.map(|record| record.video_id).collect()
    };
    assert!(stale().await.is_empty());
    for (id, at) in [("g1", 10), ("g2", 11)] {
        let deleted = catalog.apply(id, VideoTransition::Deleted, at).await.unwrap().unwrap();
        assert_eq!(
            catalog.apply(id, VideoTransition::Deleted, at + 5).await.unwrap(),
            Some(deleted),
            "again"
        );
    }
    assert!(catalog.list("gesa", 9, None).await.unwrap().is_empty());
    assert_eq!(stale().await, ["g1", "g2"]);
    add("g3", 12).await;
    let Claim::Completed(deleted) = claim(catalog, "g2", "1", 13).await else { panic!("a job is started") };
    assert_eq!(deleted.deletion, Some(Deletion::Requested));
    catalog.delete_open("g2", None).await.unwrap();
    for id in ["g1", "g2"] {
        let erased = catalog.apply(id, VideoTransition::Erased, 20).await.unwrap().unwrap();
        assert_eq!((erased.deletion, &erased.title), (Some(Deletion::Done), &None));
        assert_eq!(catalog.get(id).await.unwrap(), Some(erased), "its id isn't free");
    }
    assert!(stale().await.is_empty());
    assert!(matches!(catalog.add(record("g1", "gesa", 21), MANY).await.unwrap(), AddOutcome::Exists(_)));
    let listed = catalog.list("gesa", 9, None).await.unwrap();
    assert_eq!(listed.iter().map(|record| &*record.video_id).collect::<Vec<_>>(), ["g3"]);
}

async fn claim_of_another_object_leaves_the_video_alone(catalog: &dyn Catalog) {
    let own = VideoRecord { key: Some("inputs/k.mp4".into()), ..record("k", "kurt", 1) };
    catalog.add(own, MANY).await.unwrap();
    let other = ObjectVersion { key: "inputs/k.mov".into(), ..object("k", "1") };
    let new = VideoRecord { key: Some("inputs/k.mov".into()), ..record("k", "", 2) };
    assert_eq!(catalog.claim(other.clone(), new, 2).await.unwrap(), Claim::OtherObject);
    assert!(catalog.get("k").await.unwrap().unwrap().is_open(), "not changed");
    let new = VideoRecord { key: Some("inputs/k.mov".into()), ..record("k-1", "karl", 3) };
    let lease = granted(catalog.claim(other.clone(), new.clone(), 3).await.unwrap());
    assert!(!lease.is_retry);
    let listed = catalog.list("karl", 9, None).await.unwrap();
    assert_eq!(listed.len(), 1, "a claimed object is in its owner's list");
    catalog.complete_claim(lease, uploaded(), 4).await.unwrap();
    assert!(matches!(catalog.claim(other.clone(), new.clone(), 5).await.unwrap(), Claim::Completed(_)));
    let again = ObjectVersion { attempt: 1, ..other };
    assert!(!granted(catalog.claim(again, new, 5).await.unwrap()).is_retry, "another attempt");
    granted(claim(catalog, "k", "1", 6).await);
}
