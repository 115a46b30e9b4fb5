//! The entry of the binary: everything is in the library, where tests reach it.

fn main() -> std::process::ExitCode {
    latchkey::cli::run()
}
