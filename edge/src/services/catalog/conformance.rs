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
}

const MANY: u32 = 100;

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
        catalog.delete_open(id).await.unwrap();
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
    let add = async |id: &str, owner: &str, at| catalog.add(record(id, owner, at), 2).await.unwrap();
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
        catalog.add(stored, 2).await.unwrap(),
        AddOutcome::Added,
        "a stored video isn't an open upload"
    );
    catalog.delete_open("o0").await.unwrap();
    assert!(catalog.get("o0").await.unwrap().is_some());
    catalog.delete_open("o2").await.unwrap();
    assert_eq!(add("o5", "otto", 6).await, AddOutcome::Added, "one was aborted");
    let later = UPLOAD_LIFETIME_SECS * 1000 + 100;
    assert_eq!(add("o6", "otto", later).await, AddOutcome::Added, "the others have expired");
}

async fn list_stale_returns_unfinished_stalest_first(catalog: &dyn Catalog) {
    let far = 9_000_000_000_000;
    let stale = async |before| -> Vec<String> {
        let mut records = catalog.list_stale(before, 1_000).await.unwrap();
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
}

fn object(id: &str, etag: &str) -> ObjectVersion {
    ObjectVersion { bucket: "b".into(), key: format!("inputs/{id}.mp4"), etag: etag.into() }
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
    catalog.delete_open("s").await.unwrap();
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
    let add = |id| catalog.add(record(id, "ruth", 1), 1);
    let (one, other) = tokio::join!(add("r1"), add("r2"));
    let outcomes = [one.unwrap(), other.unwrap()];
    assert!(
        outcomes.contains(&AddOutcome::Added) && outcomes.contains(&AddOutcome::TooManyOpen),
        "{outcomes:?}"
    );
}
