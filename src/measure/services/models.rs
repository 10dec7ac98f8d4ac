//! Where the models of a container are on this machine, when it cannot be looked into.
//!
//! Those of its image are copied and mounted in their own place, so that who opens them opens the copy.
//! Must not guess: what is in a volume has no place here.

use std::path::{Path, PathBuf};

use bollard::models::{Mount, MountType};

use crate::measure::containers::spec;
use crate::measure::plan::{Volume, VolumeSource};

/// Where a container's models are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// All of them, as files of this machine.
    pub(super) files: Vec<PathBuf>,
    /// Those of its image: where they are in it, and where their copy is or will be.
    pub(super) copies: Vec<(PathBuf, PathBuf)>,
}

impl Places {
    /// Of models relative to the `folder` that the container starts in. Copies go to `own`; `outside`
    /// says where a mounted folder is.
    pub(super) fn of(
        models: &[PathBuf],
        folder: &Path,
        volumes: &[Volume],
        own: &Path,
        outside: impl Fn(&Path) -> PathBuf,
    ) -> Result<Self, String> {
        let mut places = Self::default();
        for (index, model) in models.iter().enumerate() {
            let inside = folder.join(model);
            // The last of several that lie in one another is the one that is seen.
            let seen = volumes.iter().filter(|one| inside.starts_with(&one.target));
            let seen = seen.max_by_key(|one| Path::new(&one.target).components().count());
            match seen.map(|volume| (&volume.source, &volume.target)) {
                None => {
                    let copy = own.join(index.to_string());
                    places.files.push(copy.clone());
                    places.copies.push((inside, copy));
                }
                Some((VolumeSource::Bind(path), target)) => {
                    let rest = inside.strip_prefix(target).unwrap_or(Path::new(""));
                    let file = outside(path);
                    let is_file = rest.as_os_str().is_empty();
                    (places.files).push(if is_file { file } else { file.join(rest) });
                }
                Some((VolumeSource::Named(_) | VolumeSource::Tmpfs, _)) => {
                    return Err(format!(
                        "`{}` is in a volume, which only root may look into: run Tollgate as root",
                        inside.display()
                    ));
                }
            }
        }
        Ok(places)
    }

    /// The copies that are still to be made.
    pub(super) fn missing(&self) -> Vec<(PathBuf, PathBuf)> {
        let missing = self.copies.iter().filter(|(_, copy)| !copy.exists());
        missing.cloned().collect()
    }

    /// What puts the copies in the place of what they are copies of.
    pub(super) fn mounts(&self) -> impl Iterator<Item = Mount> {
        self.copies.iter().map(|(inside, copy)| {
            let source = copy.to_string_lossy().into_owned();
            let target = inside.to_string_lossy();
            spec::mount(MountType::BIND, Some(source), &target, false)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(source: VolumeSource, target: &str) -> Volume {
        Volume {
            source,
            target: target.to_owned(),
            read_only: true,
        }
    }

    #[test]
    fn models_of_the_image_are_copied_and_those_of_a_folder_are_where_they_are() {
        let models = ["a.onnx", "/models/b.onnx", "/c.onnx"].map(PathBuf::from);
        let volumes = [
            volume(VolumeSource::Bind("weights".into()), "/models"),
            volume(VolumeSource::Bind("weights/c.onnx".into()), "/c.onnx"),
        ];
        let project = |path: &Path| Path::new("/project").join(path);
        let own = Path::new("/data/models/ml");
        let places = Places::of(&models, Path::new("/app"), &volumes, own, project).unwrap();
        let files = [
            "/data/models/ml/0",
            "/project/weights/b.onnx",
            "/project/weights/c.onnx",
        ];
        assert_eq!(places.files, files.map(PathBuf::from));
        let copied = (PathBuf::from("/app/a.onnx"), own.join("0"));
        assert_eq!(places.copies, [copied]);
    }

    #[test]
    fn a_model_in_a_volume_has_no_place_here() {
        let volumes = [volume(VolumeSource::Named("weights".to_owned()), "/app")];
        let models = [PathBuf::from("a.onnx")];
        let app = Path::new("/app");
        let why = Places::of(&models, app, &volumes, app, Path::to_path_buf).unwrap_err();
        assert!(why.contains("`/app/a.onnx` is in a volume"), "{why}");
    }
}
