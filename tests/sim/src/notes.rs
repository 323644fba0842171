//! What a page writes down for a later load of it; a killed tab loses the last lines.

use web::machine::{Note, Saved};

#[derive(Debug, Default)]
pub struct Notes {
    log: Vec<Note>,
    /// Read again after each change, as little changes.
    token: String,
}

impl Notes {
    pub fn write(&mut self, note: Note) {
        match &note {
            Note::Opened { upload, .. } => self.token.clone_from(upload),
            Note::Part(_) | Note::Canceled | Note::Over => {}
        }
        self.log.push(note);
    }

    /// Loses the last `lines`.
    pub fn forget(&mut self, lines: usize) {
        self.log.truncate(self.log.len().saturating_sub(lines));
        self.token = self
            .log
            .iter()
            .rev()
            .find_map(|note| if let Note::Opened { upload, .. } = note { Some(upload.clone()) } else { None })
            .unwrap_or_default();
    }

    /// The upload that they are about.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// What the next page load reads.
    pub fn saved(&self) -> Option<Saved> {
        let mut saved: Option<Saved> = None;
        for note in &self.log {
            match note {
                Note::Opened { part_size, checksum, .. } => {
                    saved = Some(Saved { part_size: *part_size, checksum: *checksum, ..Saved::default() });
                }
                Note::Over => saved = None,
                Note::Canceled => {
                    if let Some(saved) = &mut saved {
                        saved.canceled = true;
                    }
                }
                Note::Part(part) => {
                    if let Some(saved) = &mut saved {
                        saved.parts.push(part.clone());
                    }
                }
            }
        }
        saved
    }
}
