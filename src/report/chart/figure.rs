use maud::{Markup, html};

/// A chart with all that belongs to it.
pub(in crate::report) struct Figure {
    /// What it is of.
    pub title: String,
    /// What it shows, in a sentence: for whoever does not see it, too.
    pub about: String,
    /// The drawing's height, in CSS pixels.
    pub height: f64,
    /// Its elements. Across, they count in percent of the plot; labels may stand out of it.
    pub drawing: Markup,
    /// What its colours and shapes mean.
    pub legend: Vec<Key>,
    /// The figures that it was drawn from.
    pub table: Table,
}

/// An entry of a legend: the class of its swatch, and what it says.
pub(super) type Key = (&'static str, String);

/// A table: headings, and rows of as many cells. The first cell of a row is its heading.
#[derive(Default)]
pub(in crate::report) struct Table {
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
    /// How many rows were left out.
    pub more: usize,
}

impl Table {
    /// With these headings.
    pub fn of<T: ToString>(head: &[T]) -> Self {
        Self {
            head: head.iter().map(T::to_string).collect(),
            ..Self::default()
        }
    }

    /// Under a caption that says what it is a table of.
    pub fn markup(&self, caption: &str) -> Markup {
        html! {
            div.scroll tabindex="0" role="region" aria-label=(caption) {
                table {
                    caption.unseen { (caption) }
                    thead { tr { @for head in &self.head { th scope="col" { (head) } } } }
                    tbody {
                        @for row in &self.rows {
                            tr {
                                @for (nth, cell) in row.iter().enumerate() {
                                    @if nth == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                                }
                            }
                        }
                    }
                }
            }
            @if self.more > 0 { p.more { "and " (self.more) " more: see summary.json" } }
        }
    }
}

impl Figure {
    pub fn markup(&self) -> Markup {
        html! {
            figure {
                figcaption { h4 { (self.title) } p { (self.about) } }
                @if !self.legend.is_empty() {
                    ul.legend {
                        @for (class, text) in &self.legend {
                            li { span class={ "swatch " (class) } aria-hidden="true" {} (text) }
                        }
                    }
                }
                div.plot {
                    svg role="img" width="100%" height=(super::axis::num(self.height)) aria-label=(self.title) {
                        title { (self.title) ". " (self.about) }
                        (self.drawing)
                    }
                }
                details {
                    summary { "The same as a table" }
                    (self.table.markup(&self.title))
                }
            }
        }
    }
}
