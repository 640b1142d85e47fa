"""How often does `diagnose` name the right cause? Generated cases of many models and many mistakes."""
