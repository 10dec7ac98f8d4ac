//! Which file of base is which file of head.
//!
//! Must not lose a file: every asset of both arms keeps its own entry under its own name.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::evidence::{Asset, BundleEvidence, ImportChain, Load};

use super::imports::is_own_module;
use super::names;

/// Gives the same thing the same name in both arms, unique within the frontend.
///
/// In this order: the path as built; equal content under the same name; equal content; the only
/// file of a name in both arms; the nearest size among files of a name; the same after stripping
/// whatever could be a hash. What then is left exists in one arm only.
///
/// Chains to modules of the project's own are dropped where both arms load the module with the
/// entry: they would only be long.
pub fn pair(base: &mut BundleEvidence, head: &mut BundleEvidence) {
    let matches = Matcher::new(&base.assets, &head.assets).run();
    rename(&mut base.assets, &mut head.assets, &matches);
    keep_telling_chains(&mut base.chains, &mut head.chains);
}

/// Gives every asset of one arm a name of its own.
pub(super) fn make_unique(assets: &mut [Asset]) {
    rename(&mut [], assets, &[]);
}

/// The name without the `#2` that an earlier collision left.
fn plain(name: &str) -> &str {
    match name.rsplit_once('#') {
        Some((plain, number))
            if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            plain
        }
        Some(_) | None => name,
    }
}

/// Finds pairs; each step only sees what the steps before left over.
struct Matcher<'a> {
    base: &'a [Asset],
    head: &'a [Asset],
    base_left: BTreeSet<usize>,
    head_left: BTreeSet<usize>,
    matches: Vec<(usize, usize)>,
}

/// Files left over in both arms under one key.
type Groups = BTreeMap<String, (Vec<usize>, Vec<usize>)>;

impl<'a> Matcher<'a> {
    fn new(base: &'a [Asset], head: &'a [Asset]) -> Self {
        Self {
            base,
            head,
            base_left: (0..base.len()).collect(),
            head_left: (0..head.len()).collect(),
            matches: Vec::new(),
        }
    }

    fn run(mut self) -> Vec<(usize, usize)> {
        self.in_order(|asset| asset.path.clone());
        self.in_order(|asset| format!("{} {}", asset.content, plain(&asset.name)));
        self.in_order(|asset| format!("{} {:?}", asset.content, extension(&asset.path)));
        self.by_size(|asset| plain(&asset.name).to_owned());
        self.by_size(|asset| names::strip_loosely(&asset.path));
        self.matches
    }

    fn groups(&self, key: impl Fn(&Asset) -> String) -> Groups {
        let mut groups = Groups::new();
        for &index in &self.base_left {
            groups
                .entry(key(&self.base[index]))
                .or_default()
                .0
                .push(index);
        }
        for &index in &self.head_left {
            groups
                .entry(key(&self.head[index]))
                .or_default()
                .1
                .push(index);
        }
        groups
    }

    /// Pairs files of one key in the order of their paths: the key says they are the same.
    fn in_order(&mut self, key: impl Fn(&Asset) -> String) {
        for (base, head) in self.groups(key).into_values() {
            for (base, head) in base.into_iter().zip(head) {
                self.take(base, head);
            }
        }
    }

    /// Pairs files of one key, those of the most similar size first. One file on each side is
    /// the simplest case of it.
    fn by_size(&mut self, key: impl Fn(&Asset) -> String) {
        for (base, head) in self.groups(key).into_values() {
            let mut candidates: Vec<(u64, usize, usize)> = base
                .iter()
                .flat_map(|&b| head.iter().map(move |&h| (b, h)))
                .map(|(b, h)| (self.base[b].raw.abs_diff(self.head[h].raw), b, h))
                .collect();
            candidates.sort_unstable();
            for (_, base, head) in candidates {
                if self.base_left.contains(&base) && self.head_left.contains(&head) {
                    self.take(base, head);
                }
            }
        }
    }

    fn take(&mut self, base: usize, head: usize) {
        self.base_left.remove(&base);
        self.head_left.remove(&head);
        self.matches.push((base, head));
    }
}

fn extension(path: &str) -> Option<&str> {
    path.rsplit_once('.').map(|(_, extension)| extension)
}

/// Writes the names: pairs first, then what one arm alone has; within these the most important
/// file takes the plain name and the others a number.
fn rename(base: &mut [Asset], head: &mut [Asset], matches: &[(usize, usize)]) {
    let paired_base: BTreeSet<usize> = matches.iter().map(|(base, _)| *base).collect();
    let paired_head: BTreeSet<usize> = matches.iter().map(|(_, head)| *head).collect();
    let mut things: Vec<(Option<usize>, Option<usize>)> = matches
        .iter()
        .map(|&(base, head)| (Some(base), Some(head)))
        .collect();
    things.extend(
        (0..head.len())
            .filter(|index| !paired_head.contains(index))
            .map(|index| (None, Some(index))),
    );
    things.extend(
        (0..base.len())
            .filter(|index| !paired_base.contains(index))
            .map(|index| (Some(index), None)),
    );
    things.sort_by_cached_key(|&(b, h)| {
        let asset = h.map(|h| &head[h]).or(b.map(|b| &base[b]));
        let is_paired = b.is_some() && h.is_some();
        (
            Reverse(is_paired),
            asset.map(|asset| (rank(asset.load), Reverse(asset.raw), asset.path.clone())),
        )
    });

    let mut taken = BTreeSet::new();
    for (b, h) in things {
        let wish = h
            .map(|h| plain(&head[h].name))
            .or(b.map(|b| plain(&base[b].name)))
            .unwrap_or_default()
            .to_owned();
        let name = free_name(wish, &taken);
        taken.insert(name.clone());
        if let Some(b) = b {
            base[b].name.clone_from(&name);
        }
        if let Some(h) = h {
            head[h].name = name;
        }
    }
}

fn rank(load: Load) -> u8 {
    match load {
        Load::Initial => 0,
        Load::Lazy => 1,
        Load::Other => 2,
    }
}

fn free_name(wish: String, taken: &BTreeSet<String>) -> String {
    if !taken.contains(&wish) {
        return wish;
    }
    (2..)
        .map(|number: usize| format!("{wish}#{number}"))
        .find(|name| !taken.contains(name))
        .unwrap_or(wish)
}

/// Keeps chains to packages, to modules that load on demand, and to modules that load on demand
/// in the other arm.
fn keep_telling_chains(base: &mut Vec<ImportChain>, head: &mut Vec<ImportChain>) {
    let lazy = |chains: &[ImportChain]| -> BTreeSet<String> {
        chains
            .iter()
            .filter(|chain| !chain.is_static)
            .map(|chain| chain.package.clone())
            .collect()
    };
    let (lazy_in_base, lazy_in_head) = (lazy(base), lazy(head));
    let tells = |chain: &ImportChain, other: &BTreeSet<String>| {
        !chain.is_static || !is_own_module(&chain.package) || other.contains(&chain.package)
    };
    base.retain(|chain| tells(chain, &lazy_in_head));
    head.retain(|chain| tells(chain, &lazy_in_base));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asset(name: &str, path: &str, raw: u64, content: &str) -> Asset {
        Asset {
            name: name.to_owned(),
            path: path.to_owned(),
            raw,
            gzip: raw / 2,
            load: Load::Lazy,
            content: content.to_owned(),
        }
    }

    fn bundle(assets: Vec<Asset>) -> BundleEvidence {
        BundleEvidence {
            assets,
            ..BundleEvidence::default()
        }
    }

    fn names(bundle: &BundleEvidence) -> Vec<(&str, &str)> {
        bundle
            .assets
            .iter()
            .map(|asset| (asset.path.as_str(), asset.name.as_str()))
            .collect()
    }

    #[test]
    fn files_that_share_a_stripped_name_are_all_kept_and_paired() {
        let mut base = bundle(vec![
            asset("index.js", "index-AAAAAAA1.js", 67, "shared"),
            asset("index.js#2", "index-BBBBBBB1.js", 40_000, "entry-1"),
            asset("chunk.js", "chunk-AAAAAAA1.js", 100, "c1"),
            asset("chunk.js#2", "chunk-BBBBBBB1.js", 900, "c2"),
        ]);
        let mut head = bundle(vec![
            asset("index.js", "index-CCCCCCC1.js", 40_011, "entry-2"),
            asset("index.js#2", "index-DDDDDDD1.js", 67, "shared"),
            asset("chunk.js", "chunk-EEEEEEE1.js", 890, "c3"),
            asset("chunk.js#2", "chunk-FFFFFFF1.js", 120, "c4"),
            asset("chunk.js#3", "chunk-GGGGGGG1.js", 5_000, "c5"),
        ]);
        pair(&mut base, &mut head);
        assert_eq!(
            names(&base),
            [
                ("index-AAAAAAA1.js", "index.js#2"),
                ("index-BBBBBBB1.js", "index.js"),
                ("chunk-AAAAAAA1.js", "chunk.js#2"),
                ("chunk-BBBBBBB1.js", "chunk.js"),
            ]
        );
        assert_eq!(
            names(&head),
            [
                ("index-CCCCCCC1.js", "index.js"),
                ("index-DDDDDDD1.js", "index.js#2"),
                ("chunk-EEEEEEE1.js", "chunk.js"),
                ("chunk-FFFFFFF1.js", "chunk.js#2"),
                ("chunk-GGGGGGG1.js", "chunk.js#3"),
            ]
        );
    }

    #[test]
    fn pairing_twice_changes_nothing() {
        let mut base = bundle(vec![
            asset("a.js", "a-1.js", 5, "1"),
            asset("a.js#2", "a-2.js", 9, "2"),
        ]);
        let mut head = base.clone();
        pair(&mut base, &mut head);
        let once = (base.clone(), head.clone());
        pair(&mut base, &mut head);
        assert_eq!(once, (base, head));
    }

    #[test]
    fn a_removed_and_an_added_file_never_share_a_name() {
        let mut base = bundle(vec![asset("old.js", "old.js", 5, "1")]);
        let mut head = bundle(vec![asset("new.js", "new.js", 5, "2")]);
        pair(&mut base, &mut head);
        assert_ne!(base.assets[0].name, head.assets[0].name);
    }

    #[test]
    fn a_renamed_file_with_equal_content_is_the_same_file() {
        let mut base = bundle(vec![asset("210.js", "210.0a1b2c3d.js", 5, "same")]);
        let mut head = bundle(vec![asset("212.js", "212.4e5f6071.js", 5, "same")]);
        pair(&mut base, &mut head);
        assert_eq!(base.assets[0].name, "212.js");
        assert_eq!(head.assets[0].name, "212.js");
    }

    #[test]
    fn a_hash_that_reads_like_a_word_in_one_arm_still_pairs() {
        let mut base = bundle(vec![asset("a-download.js", "a-download.js", 5, "1")]);
        let mut head = bundle(vec![asset("a.js", "a-D7Nll1Bx.js", 6, "2")]);
        pair(&mut base, &mut head);
        assert_eq!(base.assets[0].name, head.assets[0].name);
    }

    #[test]
    fn own_modules_that_load_with_the_entry_in_both_arms_are_dropped() {
        let chain = |package: &str, is_static| ImportChain {
            package: package.to_owned(),
            steps: Vec::new(),
            is_static,
        };
        let mut base = BundleEvidence {
            chains: vec![
                chain("./a.ts", true),
                chain("./b.ts", false),
                chain("x", true),
            ],
            ..BundleEvidence::default()
        };
        let mut head = BundleEvidence {
            chains: vec![
                chain("./a.ts", true),
                chain("./b.ts", true),
                chain("x", true),
            ],
            ..BundleEvidence::default()
        };
        pair(&mut base, &mut head);
        let names = |bundle: &BundleEvidence| -> Vec<String> {
            bundle
                .chains
                .iter()
                .map(|chain| chain.package.clone())
                .collect()
        };
        assert_eq!(names(&base), ["./b.ts", "x"]);
        assert_eq!(names(&head), ["./b.ts", "x"]);
    }
}
