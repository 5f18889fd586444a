//! Standard output: one line at a time, with colours on a terminal only.

use std::io::{self, IsTerminal as _, Write as _};

use rustix::termios::tcgetwinsize;

/// The width of lines where there is no terminal to ask.
const USUAL_WIDTH: usize = 120;

/// A colour's code (ECMA-48, "Select Graphic Rendition").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    Red = 31,
    Green = 32,
    Yellow = 33,
    Blue = 34,
    Magenta = 35,
    Grey = 90,
}

/// Where everything is shown.
#[derive(Debug)]
pub(crate) struct Screen {
    is_terminal: bool,
    colours: bool,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let is_terminal = io::stdout().is_terminal();
        Self { is_terminal, colours: is_terminal && std::env::var_os("NO_COLOR").is_none() }
    }

    /// What happens next.
    pub(crate) fn step(&self, text: &str) -> io::Result<()> {
        let mark = self.coloured("==>", Colour::Green);
        Self::write(&format!("{mark} {text}\n"))
    }

    /// A remark beside the events: cut to the screen's width.
    pub(crate) fn remark(&self, text: &str) -> io::Result<()> {
        let text: String = text.chars().take(self.width()).collect();
        Self::write(&format!("{}\n", self.coloured(&text, Colour::Grey)))
    }

    /// A line that begins with a word in colour and is cut to the screen's width.
    pub(crate) fn line(&self, word: &str, colour: Colour, rest: &str) -> io::Result<()> {
        let room = self.width().saturating_sub(word.chars().count() + 1);
        let mut shown: String = rest.chars().take(room).collect();
        if shown.len() < rest.len() {
            shown.pop();
            shown.push('…');
        }
        Self::write(&format!("{} {shown}\n", self.coloured(word, colour)))
    }

    /// Text as it is, such as a file.
    pub(crate) fn text(text: &str) -> io::Result<()> {
        Self::write(text)
    }

    fn coloured(&self, text: &str, colour: Colour) -> String {
        if self.colours { format!("\x1b[{}m{text}\x1b[0m", colour as u8) } else { text.to_owned() }
    }

    fn width(&self) -> usize {
        let asked = if self.is_terminal { tcgetwinsize(io::stdout()).ok() } else { None };
        asked.map(|size| usize::from(size.ws_col)).filter(|width| *width >= 40).unwrap_or(USUAL_WIDTH)
    }

    fn write(text: &str) -> io::Result<()> {
        let mut output = io::stdout().lock();
        output.write_all(text.as_bytes())?;
        output.flush()
    }
}
