//! The pages of the program and its commands, from the definition of the command line.
//!
//! What `--help` says below its options is split: prose belongs to DESCRIPTION, command lines to EXAMPLES.

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::{Page, rendered, see_also, without_preamble};

/// What the definition of the command line doesn't hold: environment, files, signals, exit statuses.
const PROGRAM: &str = include_str!("../../../templates/man/pin53.1");

pub(super) fn pages(definition: &Command) -> Vec<Page> {
    let commands = definition.get_subcommands();
    std::iter::once(program(definition)).chain(commands.map(command)).collect()
}

fn program(definition: &Command) -> Page {
    let man = Man::new(definition.clone().subcommand_help_heading("COMMANDS"));
    let mut options = bytes(|to| man.render_options_section(to));
    options.push_str(&bytes(|to| man.render_subcommands_section(to)));
    let others = ["pin53.toml(5)", "pin53-failures(7)", "pin53-migrating(7)"].map(str::to_owned);
    page(definition, &man, &format!("{options}{PROGRAM}"), others)
}

fn command(command: &Command) -> Page {
    let man = Man::new(command.clone());
    let options = bytes(|to| man.render_options_section(to));
    page(command, &man, &options, ["pin53(1)", "pin53.toml(5)"].map(str::to_owned))
}

fn page(command: &Command, man: &Man, options: &str, others: impl IntoIterator<Item = String>) -> Page {
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (prose, examples) = split(&after);
    let mut about = Roff::new();
    for paragraph in prose {
        about.control("PP", []);
        verbatim_or_filled(&mut about, &paragraph);
    }
    let mut rest = Roff::new();
    if !examples.is_empty() {
        rest.control("SH", ["EXAMPLES"]);
        verbatim_or_filled(&mut rest, &examples);
    }
    see_also(&mut rest, others);
    let mut synopsis = Roff::new();
    synopsis.control("SH", ["SYNOPSIS"]);
    let usage = command.clone().render_usage().to_string();
    synopsis.text([bold(usage.trim_start_matches("Usage: "))]);
    let mut body = bytes(|to| man.render_name_section(to));
    body.push_str(&rendered(&synopsis));
    body.push_str(&bytes(|to| man.render_description_section(to)));
    body.push_str(&rendered(&about));
    body.push_str(options);
    body.push_str(&rendered(&rest));
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    Page::new(name, '1', &body)
}

/// The paragraphs of prose, and the lines of examples.
fn split(after_help: &str) -> (Vec<Vec<&str>>, Vec<&str>) {
    let (mut prose, mut examples) = (Vec::new(), Vec::new());
    for paragraph in after_help.split("\n\n") {
        let mut lines = paragraph.lines();
        if paragraph.starts_with("Example") {
            lines.next();
            examples.extend(lines);
        } else {
            prose.push(lines.collect());
        }
    }
    (prose, examples)
}

/// Lines that are indented stay as they are, others flow.
fn verbatim_or_filled(roff: &mut Roff, lines: &[&str]) {
    let mut is_verbatim = false;
    for line in lines.iter().filter(|line| !line.is_empty()) {
        if line.starts_with(' ') != is_verbatim {
            is_verbatim = !is_verbatim;
            roff.control(if is_verbatim { "EX" } else { "EE" }, []);
        }
        roff.text([roman(line.trim_start())]);
    }
    if is_verbatim {
        roff.control("EE", []);
    }
}

fn bytes(render: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>) -> String {
    let mut bytes = Vec::new();
    // Memory takes everything, and what is rendered is text.
    let _ = render(&mut bytes);
    without_preamble(&String::from_utf8_lossy(&bytes)).to_owned()
}
