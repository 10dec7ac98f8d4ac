//! Which page, entry or route of base is which of head, where it has moved.
//!
//! A route is known by its module and a page by its path, so that a moved one would be new in head
//! and gone in base, and nobody would compare its bytes. Must not pair files: `pairing.rs` has done that.

use std::collections::BTreeSet;

use crate::model::evidence::{BundleEvidence, EntryLoad};

use super::assets::Kind;

/// Gives what is gone from base the name of what is new in head and made of the same file. Needs the
/// names that pairing gave the files of both arms.
pub(super) fn follow(base: &mut BundleEvidence, head: &BundleEvidence) {
    follow_by(base, head, named_file);
    follow_by(base, head, own_script);
}

/// The name of the file that something is made of.
type File = for<'b> fn(&EntryLoad, &'b BundleEvidence) -> Option<&'b str>;

fn follow_by(base: &mut BundleEvidence, head: &BundleEvidence, file: File) {
    let (before, now) = (names(base), names(head));
    let fresh: Vec<(&EntryLoad, &str)> = head
        .entries
        .iter()
        .filter(|new| !before.contains(&(new.on_demand, new.name.clone())))
        .filter_map(|new| Some((new, file(new, head)?)))
        .collect();
    let mut taken = BTreeSet::new();
    for index in 0..base.entries.len() {
        let old = &base.entries[index];
        if now.contains(&(old.on_demand, old.name.clone())) {
            continue;
        }
        let Some(of_old) = file(old, base) else {
            continue;
        };
        let is_same = |(new, of_new): &&(&EntryLoad, &str)| {
            new.on_demand == old.on_demand
                && *of_new == of_old
                && !taken.contains(&(new.on_demand, new.name.clone()))
        };
        let name = (fresh.iter().find(is_same)).map(|(new, _)| new.name.clone());
        if let Some(name) = name {
            taken.insert((old.on_demand, name.clone()));
            base.entries[index].name = name;
        }
    }
}

fn names(bundle: &BundleEvidence) -> BTreeSet<(bool, String)> {
    let entries = bundle.entries.iter();
    entries
        .map(|entry| (entry.on_demand, entry.name.clone()))
        .collect()
}

/// The page itself, or the file that stands for the module.
fn named_file<'b>(entry: &EntryLoad, bundle: &'b BundleEvidence) -> Option<&'b str> {
    let page = (bundle.assets.iter()).find(|asset| !entry.on_demand && asset.path == entry.name);
    let stands_for = || {
        bundle.assets.iter().find(|asset| {
            Some(&asset.path) == entry.file.as_ref() || asset.source.as_ref() == Some(&entry.name)
        })
    };
    page.or_else(stands_for).map(|asset| asset.name.as_str())
}

/// The only script that it alone loads. A route that has a file that stands for its module is known
/// by that.
fn own_script<'b>(entry: &EntryLoad, bundle: &'b BundleEvidence) -> Option<&'b str> {
    if entry.on_demand && named_file(entry, bundle).is_some() {
        return None;
    }
    let is_shared = |path: &String| {
        let mut others = (bundle.entries.iter())
            .filter(|other| (other.on_demand, &other.name) != (entry.on_demand, &entry.name));
        others.any(|other| other.files.contains(path))
    };
    let mut alone = bundle.assets.iter().filter(|asset| {
        Kind::of(&asset.path) == Kind::Script
            && entry.files.contains(&asset.path)
            && !is_shared(&asset.path)
    });
    let asset = alone.next()?;
    alone.next().is_none().then_some(asset.name.as_str())
}
