//! Which route of base is which route of head, where its module has moved.
//!
//! A route is known by its module, so that a moved one would be new in head and gone in base, and
//! nobody would compare its bytes. Must not pair files: `pairing.rs` has done that.

use std::collections::BTreeSet;

use crate::model::evidence::{BundleEvidence, EntryLoad};

use super::assets::Kind;

/// Gives a route of base that is gone the name of the new route of head whose own file is the same
/// as its own. Needs the names that pairing gave the files of both arms.
pub(super) fn follow(base: &mut BundleEvidence, head: &BundleEvidence) {
    let (before, now) = (names(base), names(head));
    let mut taken = BTreeSet::new();
    for index in 0..base.entries.len() {
        let old = &base.entries[index];
        if !old.on_demand || now.contains(&old.name) {
            continue;
        }
        let Some(file) = own_file(old, base) else {
            continue;
        };
        let is_same = |new: &&EntryLoad| {
            new.on_demand
                && !before.contains(&new.name)
                && !taken.contains(&new.name)
                && own_file(new, head) == Some(file)
        };
        let name = head
            .entries
            .iter()
            .find(is_same)
            .map(|new| new.name.clone());
        if let Some(name) = name {
            taken.insert(name.clone());
            base.entries[index].name = name;
        }
    }
}

fn names(bundle: &BundleEvidence) -> BTreeSet<String> {
    let later = bundle.entries.iter().filter(|entry| entry.on_demand);
    later.map(|entry| entry.name.clone()).collect()
}

/// The name of the file a route is made of: the one that stands for its module, else the only
/// script that it alone loads.
fn own_file<'b>(route: &EntryLoad, bundle: &'b BundleEvidence) -> Option<&'b str> {
    let assets = bundle.assets.iter();
    let stands_for = assets.clone().find(|asset| {
        Some(&asset.path) == route.file.as_ref() || asset.source.as_ref() == Some(&route.name)
    });
    if let Some(asset) = stands_for {
        return Some(&asset.name);
    }
    let is_shared = |path: &String| {
        let mut others = bundle
            .entries
            .iter()
            .filter(|other| other.name != route.name);
        others.any(|other| other.files.contains(path))
    };
    let mut alone = assets.filter(|asset| {
        Kind::of(&asset.path) == Kind::Script
            && route.files.contains(&asset.path)
            && !is_shared(&asset.path)
    });
    let asset = alone.next()?;
    alone.next().is_none().then_some(asset.name.as_str())
}
