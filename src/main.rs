//! stub
fn main() {
    env_logger::init();
    let overrides =
        etl_sync::config::Overrides { parallel: std::env::args().nth(1).and_then(|a| a.parse().ok()), ..Default::default() };
    let config = match etl_sync::config::load(&overrides, &etl_sync::config::Environment::of_process()) {
        Ok(c) => c,
        Err(e) => {
            log::error!("{e}");
            std::process::exit(2)
        }
    };
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
