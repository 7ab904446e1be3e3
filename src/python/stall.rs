//! The text of a report of the watchdog: the line that blocks, and the sentence about it.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// One frame of a Python stack. An unknown line is 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) function: String,
}

/// The folders whose frames are not the program's own.
#[derive(Debug, Default)]
pub(super) struct Libraries {
    /// The standard library and qtloop.
    pub(super) hidden: Vec<String>,
    /// Installed packages.
    pub(super) installed: Vec<String>,
}

impl Libraries {
    fn is_hidden(&self, frame: &Frame) -> bool {
        // Installed packages are often in a folder of the standard library.
        let is_installed = is_in(&frame.file, &self.installed);
        let is_qtloop = self
            .hidden
            .last()
            .is_some_and(|own| is_below(&frame.file, own));
        frame.file.starts_with("<frozen ")
            || is_qtloop
            || (!is_installed && is_in(&frame.file, &self.hidden))
    }

    /// Returns whether the program's developer can change this frame: it is not in the standard
    /// library, in qtloop or in an installed package.
    fn is_own(&self, frame: &Frame) -> bool {
        !self.is_hidden(frame) && !is_in(&frame.file, &self.installed)
    }

    /// Returns the index of the frame that a report names, in a stack with the innermost frame
    /// first.
    ///
    /// It is the innermost frame of the program itself. The module level of a script does not
    /// count: it is the caller of an installed program. Without such a frame, it is the innermost
    /// one of an installed package, and last the innermost one.
    pub(super) fn location(&self, stack: &[Frame]) -> Option<usize> {
        let is_first_choice = |frame: &Frame| self.is_own(frame) && frame.function != "<module>";
        let find = |is_right: &dyn Fn(&Frame) -> bool| stack.iter().position(is_right);
        find(&is_first_choice)
            .or_else(|| find(&|frame| !self.is_hidden(frame)))
            .or(if stack.is_empty() { None } else { Some(0) })
    }
}

fn is_in(file: &str, folders: &[String]) -> bool {
    folders.iter().any(|folder| is_below(file, folder))
}

fn is_below(file: &str, folder: &str) -> bool {
    Path::new(file).starts_with(folder)
}

/// Returns the last part of a path, or the last two if that is the name of each package's file.
fn short(file: &str) -> &str {
    let start = file.rfind('/').map_or(0, |slash| slash + 1);
    let name = &file[start..];
    if start > 1 && matches!(name, "__init__.py" | "__main__.py") {
        let parent = file[..start - 1].rfind('/').map_or(0, |slash| slash + 1);
        return &file[parent..];
    }
    name
}

/// The number of entries of an await chain that a report shows.
const MAX_CHAIN: usize = 5;

/// A report that becomes a sentence.
#[derive(Debug)]
pub(super) struct Sentence<'a> {
    pub(super) elapsed: Duration,
    pub(super) is_over: bool,
    pub(super) has_window: bool,
    /// The name of the loop's thread; `None` on the application's thread.
    pub(super) thread: Option<&'a str>,
    pub(super) location: Option<&'a Frame>,
    pub(super) task: Option<&'a str>,
    /// Where the task's coroutines, and the tasks that await it, are suspended.
    pub(super) chain: &'a [Frame],
}

impl Sentence<'_> {
    pub(super) fn text(&self, libraries: &Libraries) -> String {
        let mut text = match (self.has_window, self.thread) {
            (true, _) => "window ".to_owned(),
            (false, None) => "loop ".to_owned(),
            (false, Some(thread)) => format!("loop of thread \"{thread}\" "),
        };
        text += if self.is_over { "was " } else { "" };
        text += if self.has_window { "frozen" } else { "blocked" };
        // Writing into a string does not fail.
        let _ = write!(text, " for {}", seconds(self.elapsed));
        if let Some(frame) = self.location {
            let _ = write!(
                text,
                " in {}:{} ({})",
                short(&frame.file),
                frame.line,
                frame.function
            );
        }
        if let Some(task) = self.task {
            let _ = write!(text, ", task \"{task}\"");
        }
        let mut links = self
            .chain
            .iter()
            .filter(|frame| libraries.is_own(frame) && Some(*frame) != self.location);
        for frame in links.by_ref().take(MAX_CHAIN) {
            let _ = write!(text, " <- {}:{}", short(&frame.file), frame.line);
        }
        if links.next().is_some() {
            text += " <- ...";
        }
        text
    }
}

/// Returns a time with up to two decimals below a second, and one above.
fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds >= 0.995 {
        return format!("{seconds:.1} s");
    }
    let text = format!("{seconds:.2}");
    format!("{} s", text.strip_suffix('0').unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(file: &str, line: u32, function: &str) -> Frame {
        Frame {
            file: file.to_owned(),
            line,
            function: function.to_owned(),
        }
    }

    fn libraries() -> Libraries {
        Libraries {
            hidden: vec!["/usr/lib/python3".to_owned(), "/site/qtloop".to_owned()],
            installed: vec![
                "/usr/lib/python3/site-packages".to_owned(),
                "/site".to_owned(),
            ],
        }
    }

    #[test]
    fn location_is_the_innermost_frame_of_the_program() {
        let stack = [
            frame("/usr/lib/python3/socket.py", 10, "connect"),
            frame("/usr/lib/python3/site-packages/net.py", 20, "get"),
            frame("/home/foo.py", 41, "load"),
            frame("/site/qtloop/_run.py", 9, "run"),
            frame("/home/main.py", 12, "<module>"),
        ];
        assert_eq!(libraries().location(&stack), Some(2));
    }

    #[test]
    fn location_in_an_installed_program_is_not_its_start_script() {
        let stack = [
            frame("<frozen importlib._bootstrap>", 1, "_find"),
            frame("/usr/lib/python3/site-packages/program.py", 20, "load"),
            frame("/site/qtloop/_run.py", 9, "run"),
            frame("/usr/bin/program", 8, "<module>"),
        ];
        assert_eq!(libraries().location(&stack), Some(1));
        assert_eq!(libraries().location(&stack[3..]), Some(0));
        assert_eq!(libraries().location(&stack[2..3]), Some(0));
        assert_eq!(libraries().location(&[]), None);
    }

    #[test]
    fn sentence_names_the_line_the_task_and_its_waiters() {
        let location = frame("/home/foo.py", 41, "load");
        let chain = [
            location.clone(),
            frame("/usr/lib/python3/asyncio/tasks.py", 3, "wait_for"),
            frame("/home/main.py", 12, "main"),
        ];
        let mut sentence = Sentence {
            elapsed: Duration::from_millis(201),
            is_over: false,
            has_window: true,
            thread: None,
            location: Some(&location),
            task: Some("refresh"),
            chain: &chain,
        };
        assert_eq!(
            sentence.text(&libraries()),
            "window frozen for 0.2 s in foo.py:41 (load), task \"refresh\" <- main.py:12"
        );
        sentence.is_over = true;
        sentence.elapsed = Duration::from_millis(1_340);
        sentence.chain = &[];
        sentence.task = None;
        assert_eq!(
            sentence.text(&libraries()),
            "window was frozen for 1.3 s in foo.py:41 (load)"
        );
        sentence.has_window = false;
        sentence.thread = Some("worker");
        sentence.location = None;
        assert_eq!(
            sentence.text(&libraries()),
            "loop of thread \"worker\" was blocked for 1.3 s"
        );
    }

    #[test]
    fn long_chain_is_shortened() {
        let chain: Vec<Frame> = (1..9).map(|line| frame("/home/m.py", line, "f")).collect();
        let sentence = Sentence {
            elapsed: Duration::from_millis(50),
            is_over: false,
            has_window: false,
            thread: None,
            location: None,
            task: Some("t"),
            chain: &chain,
        };
        assert_eq!(
            sentence.text(&Libraries::default()),
            "loop blocked for 0.05 s, task \"t\" <- m.py:1 <- m.py:2 <- m.py:3 <- m.py:4 <- m.py:5 <- ..."
        );
    }

    #[test]
    fn file_of_a_package_is_named_with_its_folder() {
        assert_eq!(short("/home/program/__main__.py"), "program/__main__.py");
        assert_eq!(short("/home/program/view.py"), "view.py");
        assert_eq!(short("<string>"), "<string>");
    }
}
