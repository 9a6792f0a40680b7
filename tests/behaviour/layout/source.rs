//! Rust source as far as the layout's rules need it: the paths that code names, where, and from which module.

/// A path that code names: `crate::base::Instant`; a macro's ends with `!`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub segments: Vec<String>,
    pub line: usize,
    /// The inline modules around it, outermost first.
    pub inside: Vec<String>,
}

impl Named {
    /// The path from the crate's root, if it is one of the crate's own: `module` is the file's.
    pub fn in_crate(&self, module: &[String]) -> Option<Vec<String>> {
        let mut at: Vec<String> = module.iter().chain(&self.inside).cloned().collect();
        let mut rest = self.segments.as_slice();
        match rest.first()?.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => {
                while let [first, tail @ ..] = rest
                    && first == "super"
                {
                    at.pop();
                    rest = tail;
                }
                at.extend_from_slice(rest);
                return Some(at);
            }
            _ => return None,
        }
        at.extend_from_slice(&rest[1..]);
        Some(at)
    }

    /// Whether these segments stand somewhere in it, one after the other.
    pub fn contains(&self, path: &str) -> bool {
        let wanted: Vec<&str> = path.split("::").collect();
        self.segments.windows(wanted.len()).any(|found| found == wanted)
    }

    /// Whether it begins with these segments.
    pub fn starts_with(&self, path: &str) -> bool {
        let mut segments = self.segments.iter();
        path.split("::")
            .all(|wanted| segments.next().is_some_and(|s| s == wanted))
    }
}

/// Every path in `text`, `use` trees written out. Comments and literals count for nothing.
pub fn paths(text: &str) -> Vec<Named> {
    let tokens = tokens(&code_of(text));
    let mut found = Vec::new();
    // For every open brace, the inline module that it begins, if it does.
    let mut braces: Vec<Option<String>> = Vec::new();
    let mut at = 0;
    while let Some((line, token)) = tokens.get(at) {
        let before = |n: usize| at.checked_sub(n).map(|i| tokens[i].1.as_str());
        if token == "{" {
            let is_module = before(2) == Some("mod");
            braces.push(before(1).filter(|_| is_module).map(str::to_owned));
        } else if token == "}" {
            braces.pop();
        } else if is_word(token) && before(1) != Some("::") || token == "::" && !continues(before(1)) {
            let mut tree = Tree {
                tokens: &tokens,
                at: at + usize::from(token == "::"),
                paths: Vec::new(),
            };
            tree.read(&[]);
            at = tree.at.max(at + 1);
            let inside: Vec<String> = braces.iter().flatten().cloned().collect();
            found.extend(tree.paths.into_iter().map(|segments| Named {
                segments,
                line: *line,
                inside: inside.clone(),
            }));
            continue;
        }
        at += 1;
    }
    found
}

/// Whether `::` after this token goes on with a path that has begun.
fn continues(before: Option<&str>) -> bool {
    before.is_some_and(|token| is_word(token) && token != "use" || token == ">")
}

/// Reads one path or tree of paths.
struct Tree<'a> {
    tokens: &'a [(usize, String)],
    at: usize,
    paths: Vec<Vec<String>>,
}

impl Tree<'_> {
    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", |(_, token)| token)
    }

    fn take(&mut self, token: &str) -> bool {
        let is_there = self.peek() == token;
        self.at += usize::from(is_there);
        is_there
    }

    fn read(&mut self, prefix: &[String]) {
        let mut path = prefix.to_vec();
        loop {
            if self.take("{") {
                while !self.peek().is_empty() && !self.take("}") {
                    let before = self.at;
                    self.read(&path);
                    self.at += usize::from(self.at == before);
                    self.take(",");
                }
                return;
            }
            if !is_word(self.peek()) {
                // `use a::*`, or a turbofish.
                self.take("*");
                break;
            }
            // `{self, b}` names what the braces stand after.
            if self.peek() != "self" || path.is_empty() {
                path.push(self.peek().trim_start_matches("r#").to_owned());
            }
            self.at += 1;
            if path == ["use"] || !self.take("::") {
                break;
            }
        }
        let is_macro = self.peek() == "!" && self.tokens.get(self.at + 1).is_none_or(|(_, next)| next != "=");
        if let Some(last) = path.last_mut().filter(|_| is_macro) {
            last.push('!');
        }
        self.paths.push(path);
        if !prefix.is_empty() && self.take("as") {
            self.at += 1;
        }
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Words, `::` and single characters, each with its line.
fn tokens(code: &str) -> Vec<(usize, String)> {
    let chars: Vec<char> = code.chars().collect();
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    let (mut tokens, mut line, mut at) = (Vec::new(), 1, 0);
    while at < chars.len() {
        let from = at;
        at += 1;
        match chars[from] {
            '\n' => line += 1,
            c if c.is_whitespace() => {}
            ':' if chars.get(at) == Some(&':') => {
                at += 1;
                tokens.push((line, "::".to_owned()));
            }
            c if in_word(c) => {
                if c == 'r' && chars.get(at) == Some(&'#') && chars.get(at + 1).is_some_and(|c| in_word(*c)) {
                    at += 1;
                }
                while at < chars.len() && in_word(chars[at]) {
                    at += 1;
                }
                tokens.push((line, chars[from..at].iter().collect()));
            }
            c => tokens.push((line, c.to_string())),
        }
    }
    tokens
}

/// The source with comments and the insides of literals blanked out, line for line.
fn code_of(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        let length = match rest {
            ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => block_comment(rest),
            ['"', ..] => string(rest, hashes_of_raw(&chars[..at])),
            ['\'', '\\', _, tail @ ..] => tail.iter().position(|c| *c == '\'').map_or(rest.len(), |i| i + 4),
            ['\'', _, '\'', ..] => 3,
            _ => {
                code.push(chars[at]);
                at += 1;
                continue;
            }
        };
        let skipped = &rest[..length.min(rest.len())];
        code.push(' ');
        code.extend(skipped.iter().filter(|c| **c == '\n'));
        at += skipped.len();
    }
    code
}

fn block_comment(chars: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < chars.len() {
        match &chars[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] if depth == 1 => return at + 2,
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    chars.len()
}

/// Of a string that begins after `before`: the number of its hashes if it is a raw one.
fn hashes_of_raw(before: &[char]) -> Option<usize> {
    let hashes = before.iter().rev().take_while(|c| **c == '#').count();
    let mut prefix = before[..before.len() - hashes].iter().rev();
    (prefix.next() == Some(&'r')).then_some(())?;
    let word = prefix
        .next()
        .is_some_and(|c| c.is_alphanumeric() && !"bc".contains(*c));
    (!word).then_some(hashes)
}

fn string(chars: &[char], raw: Option<usize>) -> usize {
    let mut at = 1;
    while at < chars.len() {
        match (chars[at], raw) {
            ('\\', None) => at += 2,
            ('"', None) => return at + 1,
            ('"', Some(n)) if chars[at + 1..].iter().take(n).filter(|c| **c == '#').count() == n => {
                return at + 1;
            }
            _ => at += 1,
        }
    }
    chars.len()
}

#[test]
fn paths_are_read_as_the_compiler_reads_them() {
    let check = |text: &str, expected: &[&str]| {
        let found: Vec<String> = paths(text).iter().map(|p| p.segments.join("::")).collect();
        assert_eq!(found, expected, "{text}");
    };
    check(
        "use a::{b, c::{self, d as e}, f::*};",
        &["use", "a::b", "a::c", "a::c::d", "a::f"],
    );
    check("x != y; m!(z); q::n!{}", &["x", "y", "m!", "z", "q::n!"]);
    check(
        "<A as B>::c(::d::e, f::<g>())",
        &["A", "as", "B", "d::e", "f", "g"],
    );
    check(
        "a /* b /* c */ d */ e // f\n'g' \"h\\\"i\" r#\"j\"k\"# 'l m",
        &["a", "e", "r", "l", "m"],
    );
    check("use ::a::b; r#mod::c", &["use", "a::b", "mod::c"]);
}

#[test]
fn paths_know_their_line_and_their_module() {
    let all = paths("a;\n/*\n*/ mod m { mod n { super::super::b; } crate::c; super::super::d }");
    let module = ["f".to_owned(), "g".to_owned()];
    let at = |name: &str| {
        let named = all.iter().find(|p| p.segments.last().is_some_and(|s| s == name));
        let named = named.expect(name);
        (named.line, named.in_crate(&module).map(|path| path.join("::")))
    };
    assert_eq!(at("a"), (1, None));
    assert_eq!(at("b"), (3, Some("f::g::b".to_owned())));
    assert_eq!(at("c"), (3, Some("c".to_owned())));
    assert_eq!(at("d"), (3, Some("f::d".to_owned())));
}
