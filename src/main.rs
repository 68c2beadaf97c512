//! stub
fn main() {
    env_logger::init();
    let config = etl_sync::config::stub(std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(8));
    let (cancel, dog, progress) = Default::default();
    let options = etl_sync::app::sync::SyncOptions::default();
    let report = etl_sync::app::sync::Run::new(&config, &options, &cancel, &dog, &progress).sync();
    #[allow(clippy::print_stdout)]
    {
        println!("{}", etl_sync::report::text::summary(&report));
        if let Some(e) = &report.error {
            println!("{e:?}");
        }
    }
    std::process::exit(report.exit_code.into());
}
