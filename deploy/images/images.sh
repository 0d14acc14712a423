# shellcheck shell=bash disable=SC2034
# What the images are; read by the scripts beside it.
# Rust's target of an architecture, what links for it, and Debian's packages with that.
declare -A arch_target=([amd64]=x86_64-unknown-linux-gnu [arm64]=aarch64-unknown-linux-gnu)
declare -A target_compiler=([x86_64-unknown-linux-gnu]=gcc [aarch64-unknown-linux-gnu]=aarch64-linux-gnu-gcc)
declare -A arch_packages=([amd64]="gcc libc6-dev" [arm64]="gcc-aarch64-linux-gnu libc6-dev-arm64-cross")
all_images="agent webhook programmer host nlb emulator"

# The first one is the entrypoint.
declare -A image_binaries=(
    [agent]="fpga-agent"
    [webhook]="fpga-webhook"
    [programmer]="fpga-programmer"
    [host]="fpgactl fpga-hook"
    [nlb]="nlb"
    [emulator]="fpga-emulator"
)
declare -A binary_package=(
    [fpga-agent]=fpga-agent
    [fpga-webhook]=fpga-webhook
    [fpga-programmer]=fpga-programmer
    [fpgactl]=fpgactl
    [fpga-hook]=fpga-hook
    [nlb]=nlb
    [fpga-emulator]=fpga-emulator
)
# uid:gid. Root (without capabilities) where files of root's on the host are written: the kubelet's sockets
# (agent), /opt (host), the emulated tree (emulator); and where device nodes are opened, which belong to root (nlb,
# programmer).
declare -A image_user=(
    [agent]=0:0
    [webhook]=65532:65532
    [programmer]=0:0
    [host]=0:0
    [nlb]=0:0
    [emulator]=0:0
)
