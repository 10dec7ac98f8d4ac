//! What processes read, and how often they open the files of models.
//!
//! Both are counted by the kernel, without stopping or tracing anything. Must not open those
//! files itself: it would count.

use std::fs;
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::measure::process::tree;

/// Bytes that the processes below `root` have read so far, with those of children that ended and
/// were waited for; the reason where the kernel does not say.
pub fn read_by_tree(root: i32) -> Result<u64, String> {
    let pids = tree::living_descendants(root);
    pids.into_iter()
        .map(|pid| read_by(Path::new(&format!("/proc/{pid}/io"))))
        .sum()
}

fn read_by(file: &Path) -> Result<u64, String> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        // It has ended meanwhile, and its parent counts what it read.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                || error.raw_os_error() == Some(Errno::ESRCH as i32) =>
        {
            return Ok(0);
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(format!(
                "{} may only be read by the account that its process runs as, or by root",
                file.display()
            ));
        }
        Err(error) => return Err(format!("{}: {error}", file.display())),
    };
    rchar(&text).ok_or_else(|| format!("{} does not say it", file.display()))
}

fn rchar(io: &str) -> Option<u64> {
    io.lines()
        .find_map(|line| line.strip_prefix("rchar: "))?
        .parse()
        .ok()
}

/// Counts how often some files are opened.
#[derive(Debug)]
pub struct Opens {
    inotify: Inotify,
}

impl Opens {
    /// Watches these files; fails with the reason where one of them cannot be watched.
    pub fn watch(files: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<Self, String> {
        let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
        let inotify = Inotify::init(flags).map_err(|error| error.desc().to_owned())?;
        // With closing in between, two openings are never reported as one.
        let kinds = AddWatchFlags::IN_OPEN | AddWatchFlags::IN_CLOSE;
        for file in files {
            let file = file.as_ref();
            inotify.add_watch(file, kinds).map_err(|error| {
                let name = file.file_name().unwrap_or(file.as_os_str());
                format!("{}: {}", name.to_string_lossy(), error.desc())
            })?;
        }
        Ok(Self { inotify })
    }

    /// How often they were opened since the last time this was asked.
    pub fn take(&mut self) -> Result<u64, String> {
        let mut count = 0;
        let mut has_lost_some = false;
        loop {
            match self.inotify.read_events() {
                Ok(events) => {
                    let opened = |mask: &AddWatchFlags| mask.contains(AddWatchFlags::IN_OPEN);
                    let masks = events.iter().map(|event| event.mask);
                    has_lost_some |= masks
                        .clone()
                        .any(|mask| mask.contains(AddWatchFlags::IN_Q_OVERFLOW));
                    count += masks.filter(opened).count();
                }
                Err(Errno::EAGAIN) => break,
                Err(error) => return Err(error.desc().to_owned()),
            }
        }
        if has_lost_some {
            return Err("opened more often than the kernel keeps count of".to_owned());
        }
        u64::try_from(count).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_every_opening_once() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("model.onnx");
        fs::write(&model, "weights").unwrap();
        let mut opens = Opens::watch([&model]).unwrap();
        assert_eq!(opens.take(), Ok(0));
        for _ in 0..5 {
            fs::read(&model).unwrap();
        }
        assert_eq!(opens.take(), Ok(5));
        assert_eq!(opens.take(), Ok(0));
    }

    #[test]
    fn says_which_file_is_missing() {
        let error = Opens::watch(["/nowhere/model.onnx"]).unwrap_err();
        assert_eq!(error, "model.onnx: No such file or directory");
    }

    #[test]
    fn says_why_it_is_not_known_what_a_process_has_read() {
        let folder = tempfile::tempdir().unwrap();
        let io = folder.path().join("io");
        assert_eq!(read_by(&io), Ok(0), "it has ended");
        fs::write(&io, "wchar: 1\n").unwrap();
        assert!(read_by(&io).unwrap_err().ends_with("io does not say it"));
        // A folder is no file, for root too.
        let why = read_by(folder.path()).unwrap_err();
        assert!(why.contains("directory"), "{why}");
    }

    #[test]
    fn reads_what_a_process_has_read() {
        let recorded = "rchar: 323934931\nwchar: 323929600\nsyscr: 632687\nsyscw: 632675\n\
                        read_bytes: 0\nwrite_bytes: 323932160\ncancelled_write_bytes: 0\n";
        assert_eq!(rchar(recorded), Some(323_934_931));
        assert_eq!(rchar("nothing"), None);
    }
}
