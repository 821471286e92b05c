//! The program: hands what the operating system gave it to the command line.

use std::io;
use std::process::ExitCode;

use pin53::cli;
use pin53::env::Env;

fn main() -> ExitCode {
    let env = Env::of_process();
    cli::main(std::env::args_os(), &env, &mut io::stdout(), &mut io::stderr()).into()
}
