//! What every catalog must do, whichever database it is on: one suite over all.

use super::*;
use wire::VideoStatus;

/// Runs the whole suite against an empty catalog.
pub async fn run(catalog: &dyn Catalog) {
    adding_never_overwrites(catalog).await;
    an_owner_has_so_many_open_at_a_time(catalog).await;
    changes_follow_the_rules(catalog).await;
    only_the_unfinished_are_forgotten(catalog).await;
    lists_are_the_owners_newest_first(catalog).await;
    the_overdue_are_found(catalog).await;
    one_claim_at_a_time(catalog).await;
    settling_tells_what_came_of_it(catalog).await;
    changes_at_once_lose_nothing(catalog).await;
}

const MANY: u32 = 100;

fn entry(id: &str, owner: &str, created_ms: u64) -> Entry {
    Entry::new(id, owner, 5, created_ms)
}

fn uploaded() -> Change {
    Change::Uploaded { size: 5 }
}

async fn adding_never_overwrites(catalog: &dyn Catalog) {
    assert_eq!(catalog.get("add").await.unwrap(), None);
    assert_eq!(catalog.add(entry("add", "anna", 1), MANY).await.unwrap(), Added::New);
    let Added::There(there) = catalog.add(entry("add", "bob", 2), MANY).await.unwrap() else { panic!() };
    assert_eq!(there.owner, "anna");
    assert_eq!(catalog.get("add").await.unwrap(), Some(*there));
}

async fn changes_follow_the_rules(catalog: &dyn Catalog) {
    assert_eq!(catalog.change("nobody", uploaded(), 1).await.unwrap(), None);
    catalog.add(entry("change", "anna", 1), MANY).await.unwrap();
    let progress = |percent| Change::Progress { job_id: "j".into(), percent };
    catalog.change("change", progress(40), 2).await.unwrap();
    let back = catalog.change("change", progress(10), 3).await.unwrap().unwrap();
    assert_eq!((back.progress, back.status), (40, VideoStatus::Converting));
    let canceled = catalog.change("change", Change::Canceled { job_id: "j".into() }, 4).await.unwrap();
    let late = catalog.change("change", progress(99), 5).await.unwrap();
    assert_eq!(late, canceled, "a final state stays");
    assert_eq!(catalog.get("change").await.unwrap(), late);
}

async fn only_the_unfinished_are_forgotten(catalog: &dyn Catalog) {
    for id in ["forget", "keep"] {
        catalog.add(entry(id, "anna", 1), MANY).await.unwrap();
    }
    catalog.change("keep", uploaded(), 2).await.unwrap();
    for id in ["forget", "keep", "never-there"] {
        catalog.forget(id).await.unwrap();
    }
    assert_eq!(catalog.get("forget").await.unwrap(), None);
    assert!(catalog.get("keep").await.unwrap().is_some());
}

async fn lists_are_the_owners_newest_first(catalog: &dyn Catalog) {
    for (id, owner, at) in [("l1", "lena", 10), ("l2", "lena", 20), ("l3", "lena", 20), ("m1", "max", 15)] {
        catalog.add(entry(id, owner, at), MANY).await.unwrap();
    }
    let ids = async |limit, from| -> Vec<String> {
        let page = catalog.list("lena", limit, from).await.unwrap();
        page.into_iter().map(|entry| entry.video_id).collect()
    };
    assert_eq!(ids(2, None).await, ["l3", "l2"]);
    let cursor = Cursor { created_ms: 20, video_id: "l2".into() };
    assert_eq!(ids(2, Some(cursor)).await, ["l1"]);
    assert!(catalog.list("nobody", 9, None).await.unwrap().is_empty());
}

async fn an_owner_has_so_many_open_at_a_time(catalog: &dyn Catalog) {
    let add = async |id: &str, owner: &str, at| catalog.add(entry(id, owner, at), 2).await.unwrap();
    assert_eq!(add("o1", "otto", 1).await, Added::New);
    assert_eq!(add("o2", "otto", 2).await, Added::New);
    assert_eq!(add("o3", "otto", 3).await, Added::TooMany);
    assert_eq!(catalog.get("o3").await.unwrap(), None);
    assert_eq!(add("p1", "paula", 3).await, Added::New, "others have their own");
    catalog.change("o1", uploaded(), 4).await.unwrap();
    assert_eq!(add("o4", "otto", 5).await, Added::New, "one is no longer open");
    let mut stored = entry("o0", "otto", 5);
    stored.apply(uploaded(), 5);
    assert_eq!(catalog.add(stored, 2).await.unwrap(), Added::New, "what is stored isn't open");
    catalog.forget("o0").await.unwrap();
    assert!(catalog.get("o0").await.unwrap().is_some());
    catalog.forget("o2").await.unwrap();
    assert_eq!(add("o5", "otto", 6).await, Added::New, "one was aborted");
    let later = UPLOAD_LIFE * 1000 + 100;
    assert_eq!(add("o6", "otto", later).await, Added::New, "the others have run out");
}

async fn the_overdue_are_found(catalog: &dyn Catalog) {
    let far = 9_000_000_000_000;
    let overdue = async |before| -> Vec<String> {
        let mut entries = catalog.overdue(before, 1_000).await.unwrap();
        entries.retain(|entry| entry.owner == "dora");
        entries.into_iter().map(|entry| entry.video_id).collect()
    };
    for (id, at) in [("d1", 30), ("d2", 10), ("d3", 20), ("d4", 5), ("d5", 5), ("open", 1)] {
        let announced = id != "d5";
        catalog.add(Entry { announced, ..entry(id, "dora", at) }, MANY).await.unwrap();
        if id != "open" {
            catalog.change(id, uploaded(), at + 1).await.unwrap();
        }
    }
    for id in ["d4", "d5"] {
        catalog.change(id, Change::Canceled { job_id: "j".into() }, 7).await.unwrap();
    }
    assert_eq!(overdue(far).await, ["d5", "d2", "d3", "d1", "open"], "d4 is done, d5 not announced");
    assert_eq!(overdue(25).await, ["d5", "d2", "d3"], "an open upload has its time");
    catalog.change("d5", Change::Announced, 8).await.unwrap();
    assert_eq!(overdue(21).await, ["d2"]);
}

fn object(id: &str, etag: &str) -> ObjectVersion {
    ObjectVersion { bucket: "b".into(), key: format!("inputs/{id}.mp4"), etag: etag.into() }
}

/// Asks as somebody who knows nothing of the video.
async fn claim(catalog: &dyn Catalog, id: &str, etag: &str, now: u64) -> Claim {
    catalog.claim(object(id, etag), entry(id, "", now), now).await.unwrap()
}

fn granted(claim: Claim) -> Lease {
    match claim {
        Claim::Granted(lease) => *lease,
        other => panic!("{other:?}"),
    }
}

async fn one_claim_at_a_time(catalog: &dyn Catalog) {
    let first = granted(claim(catalog, "c", "1", 1_000).await);
    assert_eq!((first.again, &*first.entry.video_id), (false, "c"));
    assert_eq!(catalog.get("c").await.unwrap(), Some(first.entry), "its video is there now");
    assert_eq!(claim(catalog, "c", "1", 1_001).await, Claim::Busy);
    assert!(!granted(claim(catalog, "c", "2", 1_001).await).again, "another version");
    let lease = granted(claim(catalog, "c", "1", 1_000 + LEASE_MS).await);
    assert!(lease.again, "its holder crashed");
    catalog.release(&lease).await.unwrap();
    let lease = granted(claim(catalog, "c", "1", 1_001).await);
    assert!(lease.again, "given back");
    catalog.settle(lease, uploaded(), 2_000).await.unwrap();
    assert!(matches!(claim(catalog, "c", "1", u64::MAX / 4).await, Claim::Done(_)));
}

async fn settling_tells_what_came_of_it(catalog: &dyn Catalog) {
    catalog.add(entry("s", "sara", 1), MANY).await.unwrap();
    let lease = granted(claim(catalog, "s", "1", 2).await);
    assert_eq!(lease.entry.owner, "sara");
    catalog.forget("s").await.unwrap();
    // News of the job outruns us.
    let early = Change::Progress { job_id: "j".into(), percent: 30 };
    catalog.change("s", early, 3).await.unwrap().unwrap();
    let started =
        Change::JobStarted { job_id: "j".into(), duration_ms: Some(9), width: Some(16), height: Some(9) };
    let entry = catalog.settle(lease, started, 4).await.unwrap();
    assert_eq!((entry.progress, entry.width, &*entry.owner), (30, Some(16), "sara"));
    assert_eq!(catalog.get("s").await.unwrap().as_ref(), Some(&entry));
    assert_eq!(claim(catalog, "s", "1", 5).await, Claim::Done(Box::new(entry)));
}

async fn changes_at_once_lose_nothing(catalog: &dyn Catalog) {
    catalog.add(entry("race", "rita", 1), MANY).await.unwrap();
    let progress = |percent| {
        catalog.change("race", Change::Progress { job_id: "j".into(), percent }, u64::from(percent))
    };
    let (a, b, c, d) = tokio::join!(progress(10), progress(40), progress(20), progress(30));
    for outcome in [a, b, c, d] {
        outcome.unwrap();
    }
    assert_eq!(catalog.get("race").await.unwrap().unwrap().progress, 40);
    // At once, so that only one of two fits.
    let add = |id| catalog.add(entry(id, "ruth", 1), 1);
    let (one, other) = tokio::join!(add("r1"), add("r2"));
    let outcomes = [one.unwrap(), other.unwrap()];
    assert!(outcomes.contains(&Added::New) && outcomes.contains(&Added::TooMany), "{outcomes:?}");
}
