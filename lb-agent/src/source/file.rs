//! A file that another program writes: a number, or an object with a report's names.
//!
//! No counterpart in the patent.
//! Easy to get wrong: a file outlives the program that wrote it. One that was not written for longer than
//! its age allows says nothing.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::{Ask, Failure, Reading, Source, read_text, read_values};
use crate::values::Field;

/// Octets of a file at most.
const FILE_MAX: u64 = 64 * 1024;
/// Age at which a file says nothing any more, unless another is set.
pub const AGE: Duration = Duration::from_secs(30);

/// A file.
pub struct ValueFile {
    name: String,
    path: PathBuf,
    field: Option<Field>,
    age_max: Option<Duration>,
}

impl ValueFile {
    /// A file with a number for `field` or, without one, with an object; `None` for `age_max` lets it be
    /// of any age.
    #[must_use]
    pub fn new(path: PathBuf, field: Option<Field>, age_max: Option<Duration>) -> Self {
        Self {
            name: format!("file {}", path.display()),
            path,
            field,
            age_max,
        }
    }

    fn refuse_old(&self) -> Result<(), Failure> {
        let metadata = std::fs::metadata(&self.path)?;
        // Opening a pipe would wait for a writer.
        if !metadata.is_file() {
            return Err(Failure::unreadable("it is no regular file"));
        }
        let Some(age_max) = self.age_max else {
            return Ok(());
        };
        // A time in the future is as good as now.
        let age = SystemTime::now()
            .duration_since(metadata.modified()?)
            .unwrap_or_default();
        if age > age_max {
            let (age, most) = (age.as_secs(), age_max.as_secs_f64());
            let old = format!("written {age} s ago; expected no more than {most} s");
            return Err(Failure::Unreadable(old));
        }
        Ok(())
    }
}

impl Source for ValueFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self, _: Ask) -> Result<Reading, Failure> {
        self.refuse_old()?;
        read_values(&read_text(&self.path, FILE_MAX)?, self.field.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::time::Instant;

    fn read(source: &mut ValueFile) -> Result<Reading, Failure> {
        let at = Instant::now();
        source.read(Ask { at, deadline: at })
    }

    #[test]
    fn a_file_that_nobody_writes_any_more_says_nothing() {
        let path = std::env::temp_dir().join(format!("lb-agent-file-{}", std::process::id()));
        std::fs::write(&path, "{\"clients\": 4}\n").unwrap();
        let mut source = ValueFile::new(path.clone(), None, Some(AGE));
        assert_eq!(read(&mut source).unwrap().values.clients, Some(4));

        let old = SystemTime::now() - 2 * AGE;
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(old)
            .unwrap();
        assert!(
            read(&mut source)
                .unwrap_err()
                .to_string()
                .contains("60 s ago")
        );
        let mut ageless = ValueFile::new(path.clone(), None, None);
        assert_eq!(read(&mut ageless).unwrap().values.clients, Some(4));
        std::fs::remove_file(&path).unwrap();
        assert!(read(&mut source).is_err());
    }

    #[test]
    fn what_is_no_regular_file_is_not_opened() {
        let mut source = ValueFile::new("/dev/zero".into(), None, None);
        assert!(read(&mut source).is_err());
    }
}
