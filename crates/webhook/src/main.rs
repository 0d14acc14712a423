//! `fpga-webhook`.

fn main() -> std::process::ExitCode {
    fpga_webhook::main()
}
