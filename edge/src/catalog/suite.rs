//! What every catalog must do, whichever database it is on: one suite over all.

use super::*;

/// Runs the whole suite against an empty catalog.
pub async fn run(catalog: &dyn Catalog) {
    adding_never_overwrites(catalog).await;
    changes_follow_the_rules(catalog).await;
    only_the_unfinished_are_forgotten(catalog).await;
    lists_are_the_owners_newest_first(catalog).await;
    one_claim_at_a_time(catalog).await;
}

fn entry(id: &str, owner: &str, created_ms: u64) -> Entry {
    Entry::new(id, owner, 5, created_ms)
}

async fn adding_never_overwrites(catalog: &dyn Catalog) {
    assert_eq!(catalog.get("add").await.unwrap(), None);
    assert_eq!(catalog.add(entry("add", "anna", 1)).await.unwrap(), None);
    let there = catalog.add(entry("add", "bob", 2)).await.unwrap().unwrap();
    assert_eq!(there.owner, "anna");
    assert_eq!(catalog.get("add").await.unwrap(), Some(there));
}

async fn changes_follow_the_rules(catalog: &dyn Catalog) {
    assert_eq!(catalog.change("nobody", Change::Uploaded, 1).await.unwrap(), None);
    catalog.add(entry("change", "anna", 1)).await.unwrap();
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
        catalog.add(entry(id, "anna", 1)).await.unwrap();
    }
    catalog.change("keep", Change::Uploaded, 2).await.unwrap();
    for id in ["forget", "keep", "never-there"] {
        catalog.forget(id).await.unwrap();
    }
    assert_eq!(catalog.get("forget").await.unwrap(), None);
    assert!(catalog.get("keep").await.unwrap().is_some());
}

async fn lists_are_the_owners_newest_first(catalog: &dyn Catalog) {
    for (id, owner, at) in [("l1", "lena", 10), ("l2", "lena", 20), ("l3", "lena", 20), ("m1", "max", 15)] {
        catalog.add(entry(id, owner, at)).await.unwrap();
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

async fn one_claim_at_a_time(catalog: &dyn Catalog) {
    let object = |etag: &str| ObjectVersion { bucket: "b".into(), key: "k".into(), etag: etag.into() };
    let (one, other) = (object("1"), object("2"));
    assert_eq!(catalog.claim(&one, 1_000).await.unwrap(), Claim::Granted);
    assert_eq!(catalog.claim(&one, 1_001).await.unwrap(), Claim::Busy);
    assert_eq!(catalog.claim(&other, 1_001).await.unwrap(), Claim::Granted, "another version");
    assert_eq!(catalog.claim(&one, 1_000 + LEASE_MS).await.unwrap(), Claim::Granted, "its holder crashed");
    catalog.release(&one).await.unwrap();
    assert_eq!(catalog.claim(&one, 1_001).await.unwrap(), Claim::Granted, "given back");
    catalog.settle(&one).await.unwrap();
    assert_eq!(catalog.claim(&one, u64::MAX / 4).await.unwrap(), Claim::Done);
}
