pub(crate) mod database_outage;
pub(crate) mod documented;
pub(crate) mod instances;
pub(crate) mod noisy_neighbour;
pub(crate) mod outage;
pub(crate) mod redis_outage;
pub(crate) mod rolling_restart;
