//! Finds DPDK, compiles the shim and writes the bindings.
//!
//! No counterpart in the patent. Nothing generated is kept in the tree: `bindings.rs` goes to
//! `OUT_DIR`, made from the headers of the DPDK that is installed.
//! Easy to get wrong: we link only the libraries whose symbols we use. Drivers are not among them;
//! the EAL loads every driver of DPDK's own plug-in directory by itself, because it is a shared
//! library here. Linking `librte_eal.a` would lose all drivers.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

/// Shared libraries that the shim and the bindings call into.
const LIBRARIES: [&str; 5] = [
    "rte_ethdev",
    "rte_mbuf",
    "rte_mempool",
    "rte_ring",
    "rte_eal",
];

/// DPDK functions with a symbol of their own; header inlines come through `shim_*`.
const FUNCTIONS: [&str; 30] = [
    "rte_eal_init",
    "rte_eal_hotplug_add",
    "rte_eal_cleanup",
    "rte_strerror",
    "rte_version",
    "rte_get_tsc_hz",
    "rte_get_main_lcore",
    "rte_get_next_lcore",
    "rte_lcore_to_socket_id",
    "rte_eal_remote_launch",
    "rte_eal_wait_lcore",
    "rte_pktmbuf_pool_create",
    "rte_pktmbuf_free_bulk",
    "rte_mempool_avail_count",
    "rte_ring_create",
    "rte_ring_free",
    "rte_eth_dev_count_avail",
    "rte_eth_dev_is_valid_port",
    "rte_eth_dev_get_port_by_name",
    "rte_eth_dev_adjust_nb_rx_tx_desc",
    "rte_eth_dev_set_mtu",
    "rte_eth_dev_get_mtu",
    "rte_eth_dev_start",
    "rte_eth_dev_stop",
    "rte_eth_dev_close",
    "rte_eth_promiscuous_enable",
    "rte_eth_promiscuous_disable",
    "rte_eth_allmulticast_enable",
    "rte_eth_allmulticast_disable",
    "shim_.*",
];

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=src/shim.c");
    println!("cargo::rerun-if-changed=src/shim.h");

    let found = pkg_config::Config::new()
        .atleast_version("22.11")
        .cargo_metadata(false)
        .probe("libdpdk");
    let dpdk = match found {
        Ok(dpdk) => dpdk,
        Err(error) => {
            println!(
                "cargo::error=DPDK 22.11 or later is needed and pkg-config does not find libdpdk: \
                 install Debian's package libdpdk-dev, or set PKG_CONFIG_PATH to the directory of libdpdk.pc"
            );
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };

    // DPDK's headers use SSE4.2 intrinsics; the floor of `.cargo/config.toml` is the same.
    let machine = match env::var("CARGO_CFG_TARGET_ARCH").as_deref() {
        Ok("x86_64") => Some("-march=x86-64-v2"),
        _ => None,
    };

    cc::Build::new()
        .file("src/shim.c")
        .define("_GNU_SOURCE", None)
        .includes(&dpdk.include_paths)
        .flags(machine)
        .opt_level(3)
        .compile("dpdk_shim");

    for path in &dpdk.link_paths {
        println!("cargo::rustc-link-search=native={}", path.display());
    }
    for library in LIBRARIES {
        println!("cargo::rustc-link-lib=dylib={library}");
    }

    let mut bindings = bindgen::Builder::default()
        .header("src/shim.h")
        .clang_args(
            dpdk.include_paths
                .iter()
                .map(|path| format!("-I{}", path.display())),
        )
        .clang_arg("-D_GNU_SOURCE")
        .clang_args(machine)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .formatter(bindgen::Formatter::None)
        .layout_tests(false)
        .generate_comments(false)
        .prepend_enum_name(false)
        .allowlist_var("SHIM_.*")
        .allowlist_type("shim_.*")
        .allowlist_type("lcore_function_t")
        .derive_default(true)
        .use_core();
    for function in FUNCTIONS {
        bindings = bindings.allowlist_function(function);
    }
    // What the functions point to is not followed: `rte_mbuf` is written by hand (mbuf.rs), pools and
    // rings stay behind their pointers (lib.rs).
    bindings = bindings.allowlist_recursively(false);
    let Ok(bindings) = bindings.generate() else {
        println!(
            "cargo::error=libclang cannot read DPDK's headers: install Debian's packages clang and libclang-dev"
        );
        return ExitCode::FAILURE;
    };
    let Some(directory) = env::var_os("OUT_DIR").map(PathBuf::from) else {
        println!("cargo::error=OUT_DIR is not set: this script is run by cargo");
        return ExitCode::FAILURE;
    };
    if let Err(error) = bindings.write_to_file(directory.join("bindings.rs")) {
        println!("cargo::error=cannot write the bindings: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
