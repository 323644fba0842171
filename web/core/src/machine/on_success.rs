//! What the machine makes of good news, and how it ends.

use super::{COMPLETION_MS, Call, FORGIVEN_WRONG, Machine, PATIENCE_MS, Phase};
use crate::error::{Failure, codes};
use crate::parts::{Parts, Verdict};
use crate::types::{Command, Listing, Moment, Note, SavedPart, Session, Stored, Task, Ticket};
use wire::{PartPlan, UploadState};

impl Machine {
    pub(super) fn opened(&mut self, session: Session, at: Moment) {
        let asked = match &self.phase {
            Phase::Opening { call } | Phase::Leaving { call } => call.asked_at().unwrap_or(at),
            _ => return,
        };
        self.store_checks = session.checksum;
        self.commands.push(Command::Keep(Note::Opened {
            upload: session.upload,
            video_id: session.video_id,
            part_size: session.part_size,
            checksum: session.checksum,
            expires_at: session.expires_at,
        }));
        if let Phase::Leaving { .. } = &self.phase {
            return self.abort(Failure::canceled());
        }
        self.pace.opened_in(at.now.saturating_sub(asked.now));
        self.well();
        match PartPlan::agreed(self.size, session.part_size) {
            Ok(plan) if plan.part_count() == session.part_count => {
                let mut parts = Parts::new(plan, self.checks);
                parts.signed(session.tickets, asked, at);
                self.send(parts);
            }
            _ => {
                self.abort(Failure::last(codes::BAD_ANSWER, "The server cut the file in an impossible way."))
            }
        }
    }

    pub(super) fn send(&mut self, parts: Parts) {
        self.phase = Phase::Sending { parts, sign: Call::idle(), hashing: None };
        self.finish_sending();
    }

    pub(super) fn signed(&mut self, tickets: Vec<Ticket>, at: Moment) {
        let Phase::Sending { parts, sign, .. } = &mut self.phase else { return };
        let Some(asked) = sign.asked_at() else { return };
        if !parts.signed(tickets, asked, at) {
            return self.failed(Task::Sign, Failure::bad_answer(), at);
        }
        sign.answered();
        self.offline_until = None;
    }

    pub(super) fn is_under_way(&self, part: u32) -> bool {
        matches!(&self.phase, Phase::Sending { parts, .. } if parts.is_under_way(part))
    }

    pub(super) fn moved(&mut self, part: u32, bytes: u64, now: u64) {
        let Phase::Sending { parts, .. } = &mut self.phase else { return };
        let bytes = bytes.min(parts.plan().len(part));
        let (new, ms) = parts.moved(part, bytes, now);
        if new > 0 {
            self.pace.moved(new, ms, parts.busy(), now);
            self.progress.moved(part, bytes);
        }
    }

    pub(super) fn judged(&mut self, part: u32, at: Moment, judge: impl FnOnce(&mut Parts) -> Verdict) {
        let Phase::Sending { parts, .. } = &mut self.phase else { return };
        match judge(parts) {
            Verdict::Open => {}
            Verdict::Changed => self.abort(Failure::changed()),
            Verdict::Damaged => self.failed(Task::Put(part), Failure::damaged(), at),
            Verdict::Stored => {
                self.progress.moved(part, parts.plan().len(part));
                if let Some(saved) = parts.saved(part) {
                    self.commands.push(Command::Keep(Note::Part(saved)));
                }
                self.well();
                self.finish_sending();
            }
        }
    }

    pub(super) fn finish_sending(&mut self) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Sending { parts, .. } if parts.all_stored() => {
                if parts.receipts_missing(self.checks && self.store_checks) {
                    self.phase = Phase::Listing { parts, call: Call::due(PATIENCE_MS) };
                } else {
                    self.phase = Phase::Completing { parts, call: Call::due(COMPLETION_MS) };
                }
            }
            phase => self.phase = phase,
        }
    }

    pub(super) fn listed(&mut self, listing: Listing, at: Moment) {
        let phase = std::mem::replace(&mut self.phase, Phase::Over);
        if let Phase::Resuming { call, .. } = &phase {
            self.pace.opened_in(call.asked_at().map_or(0, |asked| at.now.saturating_sub(asked.now)));
        }
        if let Phase::Resuming { .. } | Phase::Listing { .. } = &phase {
            self.budget.looked();
            self.offline_until = None;
        }
        match phase {
            Phase::Resuming { .. } | Phase::Listing { .. } if listing.state == UploadState::Aborted => {
                self.start_over(Failure::gone());
            }
            Phase::Resuming { saved, .. } => match PartPlan::agreed(self.size, saved.part_size) {
                Ok(plan) => self.resume(plan, listing, saved.parts),
                Err(_) => self.start_over(Failure::gone()),
            },
            // There is an object already. Of what was sent here, completing tells whether it is this one.
            Phase::Listing { parts, .. } if listing.state == UploadState::Completed => {
                if parts.all_stored() {
                    self.phase = Phase::Completing { parts, call: Call::due(COMPLETION_MS) };
                } else {
                    self.resume(parts.plan(), listing, parts.all_saved());
                }
            }
            Phase::Listing { mut parts, .. } => {
                let wrong = parts.listed(listing.parts);
                for part in &wrong {
                    self.progress.lost(*part);
                }
                self.wrong += wrong.len();
                let forgiven = 2 * parts.plan().part_count() as usize + FORGIVEN_WRONG;
                if parts.all_stored() {
                    self.phase = Phase::Completing { parts, call: Call::due(COMPLETION_MS) };
                } else if self.wrong > forgiven {
                    self.abort(Failure::damaged());
                } else {
                    self.phase = Phase::Sending { parts, sign: Call::idle(), hashing: None };
                }
            }
            phase => self.phase = phase,
        }
    }

    /// Goes on where an earlier page load has ended.
    pub(super) fn resume(&mut self, plan: PartPlan, listing: Listing, saved: Vec<SavedPart>) {
        let parts = Parts::resumed(plan, self.checks, listing, saved);
        self.progress.start_over();
        for saved in parts.all_saved() {
            self.progress.moved(saved.part, plan.len(saved.part));
        }
        self.send(parts);
    }

    pub(super) fn completed(&mut self, stored: Stored) {
        let Phase::Completing { parts, .. } = &self.phase else { return };
        let ours = parts.checksum().map(crate::crc64::to_base64);
        let both = ours.is_some() && stored.checksum.is_some();
        let outcome = if stored.size != self.size {
            Err(Failure::last(codes::SIZE_MISMATCH, "The stored file has another size than the file sent."))
        } else if both && ours != stored.checksum {
            Err(Failure::last(codes::CHECKSUM_MISMATCH, "The stored file isn't the file that was sent."))
        } else {
            self.progress.moved_all();
            Ok(Stored { verified: both, ..stored })
        };
        self.finish(outcome);
    }

    pub(super) fn canceled(&mut self) {
        match &mut self.phase {
            Phase::Opening { call } if call.is_asked() => self.phase = Phase::Leaving { call: *call },
            Phase::Opening { .. } => self.finish(Err(Failure::canceled())),
            Phase::Resuming { .. }
            | Phase::Sending { .. }
            | Phase::Listing { .. }
            | Phase::Completing { .. } => self.abort(Failure::canceled()),
            Phase::Leaving { .. } | Phase::Aborting { .. } | Phase::Over => {}
        }
    }

    pub(super) fn aborted(&mut self) {
        if let Phase::Aborting { because, .. } = &self.phase {
            let because = because.clone();
            self.finish(Err(because));
        }
    }

    pub(super) fn abort(&mut self, because: Failure) {
        self.phase = Phase::Aborting { because, call: Call::due(PATIENCE_MS) };
        // What was decided before is void, but what is written down stays true.
        self.only_notes();
        self.commands.push(Command::Keep(Note::Canceled));
    }

    /// The end, with nothing left of it to come back to.
    pub(super) fn finish(&mut self, outcome: Result<Stored, Failure>) {
        self.commands.push(Command::Keep(Note::Over));
        self.leave(outcome);
    }

    /// The end; what is written down stays, for a later page load.
    pub(super) fn leave(&mut self, outcome: Result<Stored, Failure>) {
        self.phase = Phase::Over;
        self.only_notes();
        self.commands.push(Command::Finish(outcome));
    }

    fn only_notes(&mut self) {
        self.commands.retain(|command| matches!(command, Command::Keep(_)));
    }

    /// Something went well for good.
    pub(super) fn well(&mut self) {
        self.budget.succeeded();
        self.offline_until = None;
    }
}
