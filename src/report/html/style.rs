/// What belongs into the head of a page with [`charts`](super::charts): its style.
pub fn style() -> &'static str {
    include_str!("style.css")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The colours of a theme by name: those of the first block, and what the dark one says otherwise.
    fn palette(is_dark: bool) -> BTreeMap<&'static str, &'static str> {
        let (light, rest) = style()
            .split_once("prefers-color-scheme: dark")
            .expect("two themes");
        let dark = rest.split_once("/* end of dark */").expect("its end is marked").0;
        let mut colours = BTreeMap::new();
        for text in [Some(light), is_dark.then_some(dark)].into_iter().flatten() {
            colours.extend(text.lines().filter_map(|line| {
                let (name, value) = line.trim().strip_prefix("--")?.split_once(": #")?;
                Some((name, value.trim_end_matches(';')))
            }));
        }
        colours
    }

    /// Relative luminance by WCAG 2.1.
    fn luminance(colour: &str) -> f64 {
        let part = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).expect("rrggbb")) / 255.0;
            if value <= 0.040_45 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn text_and_shapes_stand_out_in_both_themes() {
        for is_dark in [false, true] {
            let colours = palette(is_dark);
            let texts = ["ink", "muted", "good", "bad", "odd", "link"];
            let shapes = ["s1", "s2", "s3", "s4", "bad", "fault"];
            for ground in ["paper", "sheet"] {
                for (names, least) in [(&texts[..], 4.5), (&shapes[..], 3.0)] {
                    for name in names {
                        let ratio = contrast(colours[name], colours[ground]);
                        assert!(ratio >= least, "{name} on {ground}, dark {is_dark}: {ratio:.2}");
                    }
                }
            }
            for shape in ["s1", "s2", "s3", "s4"] {
                let ratio = contrast(colours["on-shape"], colours[shape]);
                assert!(ratio >= 4.5, "numbers on {shape}, dark {is_dark}: {ratio:.2}");
            }
            for word in ["good", "bad", "odd"] {
                let ratio = contrast(colours[word], colours[&*format!("{word}-wash")]);
                assert!(ratio >= 4.5, "{word} on its wash, dark {is_dark}: {ratio:.2}");
                let ratio = contrast(colours["ink"], colours[&*format!("{word}-wash")]);
                assert!(ratio >= 4.5, "ink on {word}-wash, dark {is_dark}: {ratio:.2}");
            }
        }
    }
}
