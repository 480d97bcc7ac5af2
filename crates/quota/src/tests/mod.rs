mod rates;
mod table;
