//! What an HTML page loads: its scripts, module preloads and style sheets, the islands of Astro, and
//! the scripts and import maps it holds itself.
//!
//! Must not look at what these files are or whether they exist.

/// When a link of a page loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// By every current browser.
    First,
    /// When something of the page is looked at.
    Later,
    /// Only by browsers without modules.
    Legacy,
}

/// A script or style that a page names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// As the page names it.
    pub(super) url: String,
    /// When it loads.
    pub(super) when: When,
}

/// Scripts, module preloads and style sheets of a page.
pub(super) fn links(html: &str) -> Vec<Link> {
    tags(html).into_iter().flat_map(links_of).collect()
}

/// The import maps of a page, as it has them.
pub(super) fn import_maps(html: &str) -> Vec<&str> {
    let is_map = |tag: &Tag<'_>| {
        let kind = tag.value("type").unwrap_or_default().trim_ascii();
        // The second is that of es-module-shims.
        tag.name == "script"
            && ["importmap", "importmap-shim"]
                .iter()
                .any(|it| kind.eq_ignore_ascii_case(it))
    };
    let tags = tags(html).into_iter().filter(is_map);
    tags.map(|tag| tag.text).collect()
}

/// The module scripts of a page, as it names them.
pub(super) fn scripts_of(html: &str) -> Vec<String> {
    tags(html)
        .into_iter()
        .filter(|tag| tag.name == "script")
        .filter_map(|tag| tag.value("src").map(decoded))
        .collect()
}

/// A script whose code is in the page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Inline<'a> {
    /// Its code.
    pub(super) code: &'a str,
    /// Whether it is a module, which can import.
    pub(super) is_module: bool,
}

/// The scripts that a page holds itself and that a current browser runs.
pub(super) fn inline_scripts(html: &str) -> Vec<Inline<'_>> {
    tags(html).into_iter().filter_map(inline_of).collect()
}

fn inline_of(tag: Tag<'_>) -> Option<Inline<'_>> {
    let is_run =
        tag.name == "script" && tag.value("src").is_none() && tag.value("nomodule").is_none();
    let kind = tag.value("type").unwrap_or_default().trim_ascii();
    let is_module = kind.eq_ignore_ascii_case("module");
    // Others are data, such as `application/json` and `importmap`.
    let is_code =
        is_module || kind.is_empty() || kind.to_ascii_lowercase().ends_with("/javascript");
    (is_run && is_code).then_some(Inline {
        code: tag.text,
        is_module,
    })
}

fn links_of(tag: Tag<'_>) -> Vec<Link> {
    match tag.name.as_str() {
        ISLAND => island(&tag),
        _ => link_of(&tag).into_iter().collect(),
    }
}

/// What an island of Astro imports, by when it comes alive.
fn island(tag: &Tag<'_>) -> Vec<Link> {
    let when = match tag.value("client") {
        Some("load" | "idle" | "only") => When::First,
        // `visible`, `media`, and what an integration adds.
        Some(_) => When::Later,
        None => return Vec::new(),
    };
    ["component-url", "renderer-url", "before-hydration-url"]
        .into_iter()
        .filter_map(|name| tag.value(name))
        .filter(|url| !url.is_empty())
        .map(|url| Link {
            url: decoded(url),
            when,
        })
        .collect()
}

/// An attribute without its entities.
fn decoded(value: &str) -> String {
    /// Those that a URL may have in it.
    const NAMED: [(&str, char); 6] = [
        ("amp", '&'),
        ("quot", '"'),
        ("apos", '\''),
        ("lt", '<'),
        ("gt", '>'),
        ("sol", '/'),
    ];
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('&') {
        text.push_str(before);
        let entity = after.split_once(';').and_then(|(name, after)| {
            let named = NAMED.iter().find(|(known, _)| *known == name);
            let code = || {
                let number = name.strip_prefix('#')?;
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => number.parse(),
                };
                char::from_u32(code.ok()?)
            };
            Some((named.map(|(_, it)| *it).or_else(code)?, after))
        });
        match entity {
            Some((decoded, after)) => {
                text.push(decoded);
                rest = after;
            }
            None => {
                text.push('&');
                rest = after;
            }
        }
    }
    text + rest
}

fn link_of(tag: &Tag<'_>) -> Option<Link> {
    let (url, when) = match tag.name.as_str() {
        "script" if tag.value("nomodule").is_some() => (
            tag.value("src").or_else(|| tag.value("data-src"))?,
            When::Legacy,
        ),
        "script" => (tag.value("src")?, When::First),
        "link" => {
            let rel = tag.value("rel")?;
            let is = |value: &str, word: &str| value.eq_ignore_ascii_case(word);
            let is_code =
                (tag.value("as")).is_some_and(|value| is(value, "script") || is(value, "style"));
            let is_loaded = rel.split_ascii_whitespace().any(|word| {
                is(word, "modulepreload")
                    || is(word, "stylesheet")
                    || (is(word, "preload") && is_code)
            });
            (is_loaded.then(|| tag.value("href")).flatten()?, When::First)
        }
        _ => return None,
    };
    Some(Link {
        url: decoded(url),
        when,
    })
}

/// A tag with its attributes.
#[derive(Debug)]
struct Tag<'a> {
    name: String,
    attributes: Vec<(String, &'a str)>,
    /// What is between the tags of a script.
    text: &'a str,
}

impl<'a> Tag<'a> {
    fn value(&self, name: &str) -> Option<&'a str> {
        self.attributes
            .iter()
            .find(|(attribute, _)| attribute == name)
            .map(|(_, value)| *value)
    }
}

/// The element that Astro makes of a component with a script.
const ISLAND: &str = "astro-island";

/// The `script`, `link` and island tags of a page, comments left out.
fn tags(html: &str) -> Vec<Tag<'_>> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, rest)| rest);
            continue;
        }
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .unwrap_or(rest.len());
        let name = rest[..end].to_ascii_lowercase();
        rest = &rest[end..];
        if ["script", "link", ISLAND].contains(&name.as_str()) {
            let (attributes, after) = attributes(rest);
            rest = after;
            let mut text = "";
            if name == "script" {
                // What is between the tags is no markup.
                (text, rest) = rest.split_at(end_of_script(rest).unwrap_or(rest.len()));
            }
            tags.push(Tag {
                name,
                attributes,
                text,
            });
        }
    }
    tags
}

/// Where the tag that closes a script starts, in whatever case it is written.
fn end_of_script(text: &str) -> Option<usize> {
    const END: &str = "</script";
    let mut windows = text.as_bytes().windows(END.len());
    windows.position(|window| window.eq_ignore_ascii_case(END.as_bytes()))
}

/// The attributes up to the `>` that closes the tag, and what follows it.
fn attributes(mut rest: &str) -> (Vec<(String, &str)>, &str) {
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if rest.is_empty() {
            return (attributes, rest);
        }
        if let Some(after) = rest.strip_prefix('>') {
            return (attributes, after);
        }
        let end = rest
            .find(|c: char| c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/'))
            .unwrap_or(rest.len())
            // A stray `=` is part of a name, so that every round takes something.
            .max(1);
        let end = rest.ceil_char_boundary(end);
        let name = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_ascii_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            (value, rest) = attribute_value(after.trim_ascii_start());
        }
        attributes.push((name, value));
    }
}

fn attribute_value(rest: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(inner) = rest.strip_prefix(quote) {
            return inner.split_once(quote).unwrap_or((inner, ""));
        }
    }
    let end = rest
        .find(|c: char| c.is_ascii_whitespace() || c == '>')
        .unwrap_or(rest.len());
    rest.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_name_what_loads_first() {
        let html = r#"<!-- <script src="/no.js"></script> -->
            <script type="module" crossorigin src="/assets/a.js"></script>
            <script>if (a<b) { document.write('<script src="no.js">') }</script>
            <link rel=modulepreload href=/assets/b.js>
            <link href='/assets/c.css' rel='stylesheet'/>
            <link rel=preload as=style href=/assets/d.css>
            <link rel=preload as=font href=/assets/no.woff2>
            <link rel="icon" href="/favicon.svg">
            <script nomodule data-src="/assets/old.js"></script>"#;
        let found: Vec<(String, When)> = links(html)
            .into_iter()
            .map(|link| (link.url, link.when))
            .collect();
        let expected: Vec<(String, When)> = [
            ("/assets/a.js", When::First),
            ("/assets/b.js", When::First),
            ("/assets/c.css", When::First),
            ("/assets/d.css", When::First),
            ("/assets/old.js", When::Legacy),
        ]
        .map(|(url, when)| (url.to_owned(), when))
        .into();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_case_of_tags_and_values_means_nothing() {
        let html = r#"<SCRIPT>if (a<b) f()</SCRIPT><Script SRC="a.js"></Script>
            <LINK REL="StyleSheet" HREF="a.css"><link rel=PRELOAD as=Script href="b.js">"#;
        let urls: Vec<String> = links(html).into_iter().map(|link| link.url).collect();
        assert_eq!(urls, ["a.js", "a.css", "b.js"]);
    }

    #[test]
    fn islands_load_by_when_they_come_alive() {
        let html = r#"<astro-island uid="1" component-url="/C.js" renderer-url="/r.js" props="{&quot;a&quot;:[0,1]}"
            client="load"><p>a</p></astro-island><astro-island component-url="/V.js" renderer-url=""
            client="visible"></astro-island><astro-island client=only before-hydration-url=/b.js>"#;
        let found: Vec<(String, When)> = links(html)
            .into_iter()
            .map(|link| (link.url, link.when))
            .collect();
        let expected = [
            ("/C.js", When::First),
            ("/r.js", When::First),
            ("/V.js", When::Later),
            ("/b.js", When::First),
        ];
        assert_eq!(found, expected.map(|(url, when)| (url.to_owned(), when)));
    }

    #[test]
    fn entities_in_attributes_are_decoded() {
        let html = r#"<script src="/a.js?x=1&amp;y=2"></script><script src="&#x2f;b&#46;js&unknown;&"></script>"#;
        let urls: Vec<String> = links(html).into_iter().map(|link| link.url).collect();
        assert_eq!(urls, ["/a.js?x=1&y=2", "/b.js&unknown;&"]);
        assert_eq!(scripts_of(html), urls);
    }

    #[test]
    fn scripts_in_the_page_are_code_or_data() {
        let html = r#"<script type="Module">import "./a.js"</SCRIPT><script>go()</script>
            <script type="application/json">{}</script><script type=importmap>{}</script>
            <script src="b.js">ignored()</script><script nomodule>old()</script>"#;
        let found: Vec<(&str, bool)> = inline_scripts(html)
            .into_iter()
            .map(|script| (script.code, script.is_module))
            .collect();
        assert_eq!(found, [("import \"./a.js\"", true), ("go()", false)]);
    }

    #[test]
    fn broken_pages_end() {
        for html in [
            "<script",
            "<script =",
            "<link é=",
            "<!--",
            "<script src='",
            "<",
        ] {
            links(html);
        }
    }
}
