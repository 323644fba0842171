//! What several of the tests share.
