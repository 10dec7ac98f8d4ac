//! Files of an image, copied out of it: for what is watched where we may not look into a container.
//!
//! A container made for it never runs and is removed. Must not follow a link: what it leads to may be
//! anywhere.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder,
    RemoveContainerOptionsBuilder,
};
use futures_util::StreamExt;

use super::engine::{Engine, EngineError, said};

/// Whether the files of containers cannot be seen from outside: the kernel shows the folders of
/// another account's processes to root alone, and those of an engine without root to who runs it.
pub fn are_hidden(engine: &Engine) -> bool {
    !nix::unistd::geteuid().is_root() && !engine.is_rootless
}

/// The folder a container of this image starts in, unless it is told another.
pub async fn working_dir(engine: &Engine, image: &str) -> Result<PathBuf, String> {
    let inspected = engine.docker.inspect_image(image).await;
    let config = inspected.map_err(|error| said(&error))?.config;
    let folder = config.and_then(|config| config.working_dir);
    let folder = folder.filter(|folder| !folder.is_empty());
    Ok(PathBuf::from(folder.unwrap_or_else(|| "/".to_owned())))
}

/// Copies files of a service's image, each to a path of this machine.
pub async fn copy_out(
    engine: &Engine,
    (arm, service): (&str, &str),
    image: &str,
    files: &[(PathBuf, PathBuf)],
) -> Result<(), EngineError> {
    engine.is_used();
    let doing = || format!("copying files out of `{image}`");
    // A dot: no service has such a name.
    let name = format!("tollgate-{}-{arm}-{service}.files", engine.run);
    let options = CreateContainerOptionsBuilder::new().name(&name).build();
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        // It is never started; an image without a command needs one all the same.
        cmd: Some(vec!["true".to_owned()]),
        labels: Some(engine.labels(arm)),
        ..ContainerCreateBody::default()
    };
    let made = engine.docker.create_container(Some(options), body).await;
    let id = made.map_err(EngineError::of(doing()))?.id;
    let mut copied = Ok(());
    for (inside, outside) in files {
        copied = copy(engine, &id, inside, outside).await;
        if copied.is_err() {
            break;
        }
    }
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true);
    let removed = engine.docker.remove_container(&id, Some(options.build()));
    let removed = removed.await.map_err(EngineError::of(doing()));
    copied.map_err(|why| EngineError::new(doing(), why))?;
    removed
}

async fn copy(engine: &Engine, id: &str, inside: &Path, outside: &Path) -> Result<(), String> {
    let path = inside.to_string_lossy();
    let explain = |error: io::Error| format!("`{path}`: {error}");
    let folder = outside.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(explain)?;
    // A model may be larger than the memory there is.
    let archive = outside.with_extension("tar");
    let mut written = File::create(&archive).map_err(explain)?;
    let options = DownloadFromContainerOptionsBuilder::new().path(&path);
    let mut chunks = (engine.docker).download_from_container(id, Some(options.build()));
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| format!("`{path}`: {}", said(&error)))?;
        written.write_all(&chunk).map_err(explain)?;
    }
    drop(written);
    let target = outside.to_owned();
    // Gigabytes: what else is under way goes on meanwhile.
    let unpacking = tokio::task::spawn_blocking(move || {
        let unpacked = unpack(File::open(&archive)?, &target);
        fs::remove_file(&archive)?;
        unpacked
    });
    let unpacked = unpacking.await.map_err(|error| error.to_string())?;
    unpacked.map_err(explain)
}

/// Writes the one file of an archive. Every account may read it, as the one in the container is not
/// ours.
fn unpack(archive: impl io::Read, outside: &Path) -> io::Result<()> {
    let mut archive = tar::Archive::new(archive);
    let mut entry = (archive.entries()?.next()).ok_or(io::ErrorKind::UnexpectedEof)??;
    let kind = entry.header().entry_type();
    if !kind.is_file() {
        let what = if kind.is_dir() { "a folder" } else { "a link" };
        return Err(io::Error::other(format!(
            "it is {what}, which only root can watch in a container"
        )));
    }
    let mode = entry.header().mode()? & 0o777 | 0o444;
    let whole = outside.with_extension("part");
    let mut file = File::create(&whole)?;
    io::copy(&mut entry, &mut file)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    fs::rename(&whole, outside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(kind: tar::EntryType, content: &[u8]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o600);
        header.set_size(content.len() as u64);
        header.set_cksum();
        (archive.append_data(&mut header, "model.onnx", content)).unwrap();
        archive.into_inner().unwrap()
    }

    #[test]
    fn a_file_is_written_so_that_the_container_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("0");
        unpack(&archive(tar::EntryType::Regular, b"weights")[..], &model).unwrap();
        assert_eq!(fs::read(&model).unwrap(), b"weights");
        let mode = fs::metadata(&model).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    }

    #[test]
    fn what_is_no_file_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("0");
        let error = unpack(&archive(tar::EntryType::Symlink, b"")[..], &model).unwrap_err();
        assert!(error.to_string().contains("it is a link"), "{error}");
        assert!(!model.exists());
        assert!(unpack(&[0_u8; 1024][..], &model).is_err());
    }
}
