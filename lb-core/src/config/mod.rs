//! Placeholder page: filled in by the first change of this folder.
