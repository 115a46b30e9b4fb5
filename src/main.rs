//! The entry of the binary: everything is in the library, where tests reach it.

/// Threads free what others allocated (docs/adr/0017). SQLite keeps to the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    latchkey::cli::run()
}
