//! Which file of base is which file of head.
//!
//! Must not lose a file: every asset of both arms keeps its own entry under its own name.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::evidence::{Asset, BundleEvidence, ImportChain, Load, Part, Was};

use super::imports::is_own_module;
use super::names;

/// Gives the same thing the same name in both arms, unique within the frontend.
///
/// In this order: the module it stands for; the path as built, unless it stands for another module
/// now; equal content under the same name; equal content; the only file of a name in both arms;
/// half or more of the same modules; the nearest size among files of a name; the same after
/// stripping whatever could be a hash, where one of both has a hash without doubt. What then is
/// left exists in one arm only; where most of it was in another file before, that is said.
///
/// Chains to modules of the project's own are dropped where both arms load the module with the
/// entry: they would only be long.
pub(super) fn pair(base: &mut BundleEvidence, head: &mut BundleEvidence) {
    let matcher = Matcher::new(base, head);
    let shared = matcher.shared_modules();
    let matches = matcher.run(&shared);
    let old_names: Vec<String> = base
        .assets
        .iter()
        .map(|it| plain(&it.name).to_owned())
        .collect();
    let own_names: Vec<String> = head
        .assets
        .iter()
        .map(|it| plain(&it.name).to_owned())
        .collect();
    rename(&mut base.assets, &mut head.assets, &matches);
    for asset in &mut head.assets {
        asset.was = None;
    }
    for &(old, new) in &matches {
        if old_names[old] != own_names[new] && !is_earlier_name(base, head, old, new) {
            head.assets[new].was = Some(Was::Renamed(old_names[old].clone()));
        }
    }
    say_what_was_split(base, head, &matches, &shared);
    rename_entries(base);
    rename_entries(head);
    keep_telling_chains(&mut base.chains, &mut head.chains);
}

/// Whether only a hash that reads like a word makes the names differ.
fn is_earlier_name(base: &BundleEvidence, head: &BundleEvidence, old: usize, new: usize) -> bool {
    let (old, new) = (&base.assets[old], &head.assets[new]);
    names::strip_loosely(&old.path) == names::strip_loosely(&new.path) && has_hash(old, new)
}

/// Whether one of two names has a hash without doubt: of `page-checkout.js` and `page-register.js`
/// only the words differ.
fn has_hash(old: &Asset, new: &Asset) -> bool {
    [old, new].map(|it| names::strip(&it.path, None).hash.is_some()) != [false, false]
}

/// Whether two files stand for different modules.
fn contradict(old: &Asset, new: &Asset) -> bool {
    matches!((&old.source, &new.source), (Some(old), Some(new)) if old != new)
}

/// New files of which half or more was in a file that is still there.
fn say_what_was_split(
    base: &BundleEvidence,
    head: &mut BundleEvidence,
    matches: &[(usize, usize)],
    shared: &Shared,
) {
    let paired: BTreeSet<usize> = matches.iter().map(|(_, new)| *new).collect();
    for (&(old, new), &bytes) in shared {
        let asset = &mut head.assets[new];
        if !paired.contains(&new) && bytes * 2 >= asset.raw {
            asset.was = Some(Was::SplitFrom(base.assets[old].name.clone()));
        }
    }
}

/// What loads on demand and is only known by its file has the name of the file in both arms.
fn rename_entries(bundle: &mut BundleEvidence) {
    for entry in &mut bundle.entries {
        let file = bundle
            .assets
            .iter()
            .find(|asset| Some(&asset.path) == entry.file.as_ref());
        if let Some(file) = file {
            entry.name.clone_from(&file.name);
        }
    }
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
    base_parts: &'a [Part],
    head_parts: &'a [Part],
    base_left: BTreeSet<usize>,
    head_left: BTreeSet<usize>,
    matches: Vec<(usize, usize)>,
}

/// Raw bytes of the modules that a file of base and one of head have in common.
type Shared = BTreeMap<(usize, usize), u64>;

/// Files left over in both arms under one key.
type Groups = BTreeMap<String, (Vec<usize>, Vec<usize>)>;

impl<'a> Matcher<'a> {
    fn new(base: &'a BundleEvidence, head: &'a BundleEvidence) -> Self {
        let (base_parts, head_parts) = (&base.parts[..], &head.parts[..]);
        let (base, head) = (&base.assets[..], &head.assets[..]);
        Self {
            base,
            head,
            base_parts,
            head_parts,
            base_left: (0..base.len()).collect(),
            head_left: (0..head.len()).collect(),
            matches: Vec::new(),
        }
    }

    fn run(mut self, shared: &Shared) -> Vec<(usize, usize)> {
        self.in_order(|asset| Some(format!("{} {}", asset.path, asset.source.as_ref()?)));
        self.in_order(|asset| {
            Some(format!(
                "{} {:?}",
                asset.source.as_ref()?,
                extension(&asset.path)
            ))
        });
        self.by_size(|asset| asset.path.clone(), |old, new| !contradict(old, new));
        self.in_order(|asset| Some(format!("{} {}", asset.content, plain(&asset.name))));
        self.in_order(|asset| Some(format!("{} {:?}", asset.content, extension(&asset.path))));
        self.only_ones(|asset| plain(&asset.name).to_owned());
        self.by_modules(shared);
        self.by_size(|asset| plain(&asset.name).to_owned(), |_, _| true);
        self.by_size(|asset| names::strip_loosely(&asset.path), has_hash);
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
    fn in_order(&mut self, key: impl Fn(&Asset) -> Option<String>) {
        let mut groups = self.groups(|asset| key(asset).unwrap_or_default());
        groups.remove("");
        for (base, head) in groups.into_values() {
            for (base, head) in base.into_iter().zip(head) {
                self.take(base, head);
            }
        }
    }

    /// Pairs files of one key that have no other of that key beside them, in either arm.
    fn only_ones(&mut self, key: impl Fn(&Asset) -> String) {
        let count = |assets: &[Asset]| {
            let mut count: BTreeMap<String, usize> = BTreeMap::new();
            for asset in assets {
                *count.entry(key(asset)).or_default() += 1;
            }
            count
        };
        let (in_base, in_head) = (count(self.base), count(self.head));
        for (name, (base, head)) in self.groups(&key) {
            let is_only = in_base.get(&name) == Some(&1) && in_head.get(&name) == Some(&1);
            if let ([base], [head], true) = (&base[..], &head[..], is_only) {
                self.take(*base, *head);
            }
        }
    }

    /// The modules that every two files have in common, by the smaller of their bytes.
    fn shared_modules(&self) -> Shared {
        type Holders<'p> = BTreeMap<(&'p str, Option<&'p str>), Vec<(usize, u64)>>;
        fn holders<'p>(assets: &[Asset], parts: &'p [Part]) -> Holders<'p> {
            let index: BTreeMap<&str, usize> = assets
                .iter()
                .enumerate()
                .map(|(index, asset)| (asset.path.as_str(), index))
                .collect();
            let mut holders = Holders::new();
            // What no mapping names is in every file and tells nothing.
            let telling = parts.iter().filter(|part| part.module.is_some());
            for part in telling {
                if let Some(&index) = index.get(part.asset.as_str()) {
                    let module = (part.package.as_str(), part.module.as_deref());
                    holders.entry(module).or_default().push((index, part.raw));
                }
            }
            holders
        }
        let base = holders(self.base, self.base_parts);
        let mut shared = Shared::new();
        for (module, in_head) in holders(self.head, self.head_parts) {
            for &(old, before) in base.get(&module).into_iter().flatten() {
                for &(new, now) in &in_head {
                    if extension(&self.base[old].path) == extension(&self.head[new].path) {
                        *shared.entry((old, new)).or_default() += before.min(now);
                    }
                }
            }
        }
        shared
    }

    /// Pairs files that have half or more of the larger one in common, the most alike first.
    fn by_modules(&mut self, shared: &Shared) {
        let mut alike: Vec<(Reverse<u64>, usize, usize)> = shared
            .iter()
            .filter(|&(&(old, new), &bytes)| {
                bytes > 0 && bytes * 2 >= self.base[old].raw.max(self.head[new].raw)
            })
            .map(|(&(old, new), &bytes)| (Reverse(bytes), old, new))
            .collect();
        alike.sort_unstable();
        for (_, old, new) in alike {
            if self.base_left.contains(&old) && self.head_left.contains(&new) {
                self.take(old, new);
            }
        }
    }

    /// Pairs files of one key that may be the same, those of the most similar size first. One file
    /// on each side is the simplest case of it.
    fn by_size(
        &mut self,
        key: impl Fn(&Asset) -> String,
        may_be_same: impl Fn(&Asset, &Asset) -> bool,
    ) {
        for (base, head) in self.groups(key).into_values() {
            let mut candidates: Vec<(u64, usize, usize)> = base
                .iter()
                .flat_map(|&b| head.iter().map(move |&h| (b, h)))
                .filter(|&(b, h)| may_be_same(&self.base[b], &self.head[h]))
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
            gzip_level_6: None,
            brotli: None,
            load: Load::Lazy,
            content: content.to_owned(),
            digest: content.to_owned(),
            source: None,
            was: None,
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

    fn part(asset: &str, module: &str, raw: u64) -> Part {
        Part {
            asset: asset.to_owned(),
            package: "(own code)".to_owned(),
            module: Some(module.to_owned()),
            raw,
        }
    }

    #[test]
    fn chunks_without_telling_names_are_told_by_their_modules_and_splits_are_said() {
        let mut base = bundle(vec![
            asset("chunk.js", "chunk-AAAAAAA1.js", 100, "a"),
            asset("chunk.js#2", "chunk-BBBBBBB1.js", 1_000, "b"),
        ]);
        base.parts = vec![
            part("chunk-AAAAAAA1.js", "x.ts", 90),
            part("chunk-BBBBBBB1.js", "y.ts", 600),
            part("chunk-BBBBBBB1.js", "z.ts", 400),
        ];
        // By size alone the first would become the second.
        let mut head = bundle(vec![
            asset("chunk.js", "chunk-CCCCCCC1.js", 600, "c"),
            asset("chunk.js#2", "chunk-DDDDDDD1.js", 170, "d"),
            asset("chunk.js#3", "chunk-EEEEEEE1.js", 400, "e"),
        ]);
        head.parts = vec![
            part("chunk-CCCCCCC1.js", "y.ts", 600),
            part("chunk-DDDDDDD1.js", "x.ts", 170),
            part("chunk-EEEEEEE1.js", "z.ts", 400),
        ];
        pair(&mut base, &mut head);
        assert_eq!(base.assets[0].name, head.assets[1].name);
        assert_eq!(base.assets[1].name, head.assets[0].name);
        let was = Was::SplitFrom(base.assets[1].name.clone());
        assert_eq!(head.assets[2].was, Some(was));
    }

    #[test]
    fn a_page_whose_chunk_has_another_name_is_told_by_its_module() {
        let with_source = |mut asset: Asset| {
            asset.source = Some("src/Charts.tsx".to_owned());
            asset
        };
        let mut base = bundle(vec![with_source(asset("a.js", "a-AAAAAAA1.js", 10, "a"))]);
        let mut head = bundle(vec![
            asset("a.js", "a-BBBBBBB1.js", 10, "b"),
            with_source(asset("c.js", "c-CCCCCCC1.js", 900, "c")),
        ]);
        pair(&mut base, &mut head);
        assert_eq!(base.assets[0].name, "c.js");
        assert_eq!(head.assets[1].name, "c.js");
        assert_eq!(head.assets[1].was, Some(Was::Renamed("a.js".to_owned())));
        assert_eq!(head.assets[0].was, None);
    }

    fn page(path: &str, source: &str, raw: u64) -> Asset {
        let mut asset = asset(path, path, raw, &format!("{source} {raw}"));
        asset.source = Some(source.to_owned());
        asset
    }

    #[test]
    fn a_page_keeps_its_row_where_another_takes_its_file_name() {
        let mut base = bundle(vec![
            page("index.js", "pages/a.js", 100),
            page("index2.js", "pages/c.js", 200),
        ]);
        let mut head = bundle(vec![
            page("index.js", "pages/a.js", 100),
            page("index2.js", "pages/b.js", 2_000),
            page("index3.js", "pages/c.js", 210),
        ]);
        pair(&mut base, &mut head);
        assert_eq!(base.assets[0].name, head.assets[0].name);
        assert_eq!(base.assets[1].name, head.assets[2].name);
        let is_old = |name: &String| base.assets.iter().any(|asset| asset.name == *name);
        assert!(!is_old(&head.assets[1].name), "{:?}", names(&head));
        assert_eq!(
            head.assets[2].was,
            Some(Was::Renamed("index2.js".to_owned()))
        );
    }

    #[test]
    fn two_files_whose_names_end_in_words_of_eight_letters_stay_two() {
        let mut base = bundle(vec![asset("page-checkout.js", "page-checkout.js", 5, "1")]);
        let mut head = bundle(vec![asset("page-register.js", "page-register.js", 6, "2")]);
        pair(&mut base, &mut head);
        assert_eq!(names(&base), [("page-checkout.js", "page-checkout.js")]);
        assert_eq!(names(&head), [("page-register.js", "page-register.js")]);
    }

    /// One arm made of another by random renames, splits, edits, removals and collisions.
    fn mutated(base: &BundleEvidence, rng: &mut fastrand::Rng) -> BundleEvidence {
        let mut head = bundle(Vec::new());
        let hash = |rng: &mut fastrand::Rng| -> String {
            std::iter::repeat_with(|| rng.alphanumeric())
                .take(8)
                .collect()
        };
        for (number, old) in base.assets.iter().enumerate() {
            let stem = ["index", "chunk", "page"][rng.usize(..3)];
            let path = match rng.u8(..6) {
                0 => continue,
                1 => old.path.clone(),
                _ => format!("assets/{stem}-{}.js", hash(rng)),
            };
            let raw = old.raw + rng.u64(..3) * rng.u64(..500);
            let content = if raw == old.raw {
                old.content.clone()
            } else {
                hash(rng)
            };
            let mut asset = asset(&names::strip(&path, None).name, &path, raw, &content);
            asset.gzip = rng.u64(..10_000);
            asset.source = (rng.bool()).then(|| format!("src/{}.ts", rng.u8(..5)));
            head.parts.push(part(&path, &format!("m{number}.ts"), raw));
            if rng.u8(..4) == 0 {
                let path = format!("assets/chunk-{}.js", hash(rng));
                head.parts
                    .push(part(&path, &format!("m{number}.ts"), raw / 2));
                let mut half = asset.clone();
                half.path = path;
                half.name = "assets/chunk.js".to_owned();
                half.content = hash(rng);
                head.assets.push(half);
            }
            head.assets.push(asset);
        }
        head.assets.sort_by(|a, b| a.path.cmp(&b.path));
        head.assets.dedup_by(|a, b| a.path == b.path);
        make_unique(&mut head.assets);
        head
    }

    #[test]
    fn no_byte_is_lost_whatever_was_renamed_split_or_has_the_same_name() {
        for seed in 0..2_000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let first: Vec<Asset> = (0..rng.usize(1..25))
                .map(|number| {
                    let path = format!("assets/{number}.js");
                    asset(&path, &path, rng.u64(..10_000), &number.to_string())
                })
                .collect();
            let mut base = mutated(&bundle(first), &mut rng);
            let mut head = mutated(&base, &mut rng);
            let (before, after) = (base.clone(), head.clone());
            pair(&mut base, &mut head);

            for (paired, original) in [(&base, &before), (&head, &after)] {
                let mut rows: BTreeMap<&str, u64> = BTreeMap::new();
                for asset in &paired.assets {
                    let taken = rows.insert(&asset.name, asset.gzip);
                    assert_eq!(taken, None, "{} twice, seed {seed}", asset.name);
                }
                let sum: u64 = original.assets.iter().map(|asset| asset.gzip).sum();
                assert_eq!(rows.values().sum::<u64>(), sum, "seed {seed}");
                let kept = |bundle: &BundleEvidence| -> Vec<(String, u64, u64)> {
                    let assets = bundle.assets.iter();
                    assets
                        .map(|it| (it.path.clone(), it.raw, it.gzip))
                        .collect()
                };
                assert_eq!(kept(paired), kept(original), "seed {seed}");
            }
            // A module that stands behind one file in each arm is the same file.
            for asset in &head.assets {
                let of_source = |bundle: &BundleEvidence| -> Vec<String> {
                    let all = bundle.assets.iter();
                    let of_it = all.filter(|it| it.source == asset.source);
                    of_it.map(|it| it.name.clone()).collect()
                };
                let (old, new) = (of_source(&base), of_source(&head));
                if asset.source.is_some() && old.len() == 1 && new.len() == 1 {
                    assert_eq!(old, new, "{asset:?}, seed {seed}");
                }
            }
            let in_base: BTreeSet<&str> = base.assets.iter().map(|it| it.name.as_str()).collect();
            // Equal files are the same file, wherever they went.
            for asset in &head.assets {
                let twins = |bundle: &BundleEvidence| {
                    let equal = |it: &&Asset| it.content == asset.content;
                    bundle.assets.iter().filter(equal).count()
                };
                if twins(&base) == 1 && twins(&head) == 1 {
                    let old = base.assets.iter().find(|it| it.content == asset.content);
                    let by_path = head
                        .assets
                        .iter()
                        .any(|it| Some(&it.path) == old.map(|it| &it.path));
                    let by_source =
                        asset.source.is_some() || old.is_some_and(|it| it.source.is_some());
                    let is_paired = in_base.contains(asset.name.as_str());
                    assert!(is_paired || by_path || by_source, "{asset:?}, seed {seed}");
                }
            }
        }
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
